export { createFaultCounter } from "@cm/transport";
export { createLocalConnectionManager } from "./local-connections.js";
export { createWsServer } from "./server.js";

// The server
export type {
  ConnectionHandler,
  DrainOptions,
  DrainProgress,
  FaultCounter,
  ListeningAddress,
  RouteHandler,
  RouteRequest,
  TransportStats,
} from "@cm/transport";
export type { NodeServer, WsServerOptions } from "./options.js";
export type { WsServer } from "./server.js";

// Sockets of your own WebSocketServer
export type { LocalConnectionOptions, LocalConnectionStats } from "@cm/transport";
export type { WsLocalConnectionManager, WsLocalConnectionOptions } from "./local-connections.js";

// Connections
export type { Authentication, TransportConnection, UpgradeRequest } from "@cm/transport";

// Plain HTTP
export type { HttpReply, RequestFacts } from "@cm/transport";
