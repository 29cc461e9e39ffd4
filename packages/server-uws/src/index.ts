export { createFaultCounter } from "@cm/transport";
export { createLocalConnectionManager } from "./connections/local-connections.js";
export { createUwsServer } from "./server.js";

// The server
export type {
  ConnectionHandler,
  DrainOptions,
  DrainProgress,
  FaultCounter,
  ListeningAddress,
  RouteHandler,
  RouteRequest,
} from "@cm/transport";
export type { UwsServerOptions } from "./options.js";
export type { UwsServer, UwsServerStats } from "./server.js";

// Sockets of your own App
export type { LocalConnectionOptions, LocalConnectionStats } from "@cm/transport";
export type { UwsLocalConnectionManager, UwsLocalConnectionOptions } from "./connections/local-connections.js";

// Connections
export type { Authentication, TransportConnection, UpgradeRequest } from "@cm/transport";

// Plain HTTP
export type { HttpReply, RequestFacts } from "@cm/transport";
