export { createFaultCounter } from "./fault-counter.js";
export { listenFailure } from "./listening.js";
export { problem, problemOf } from "./http-reply.js";
export { createLocalConnectionManager } from "./local-connections.js";
export { createUwsServer } from "./server.js";

// The server
export type { FaultCounter } from "./fault-counter.js";
export type { DrainOptions, DrainProgress } from "./drain.js";
export type { ConnectionHandler, Route, RouteHandler, RouteMethod, RouteRequest, UwsServerOptions } from "./options.js";
export type { ListeningAddress, UwsServer, UwsServerStats } from "./server.js";
export type { TrafficCounts } from "./traffic.js";

// Sockets of an App of one's own
export type {
  UwsLocalConnectionManager,
  UwsLocalConnectionOptions,
  UwsLocalConnectionStats,
} from "./local-connections.js";

// Connections
export type { Authentication, UpgradeRequest } from "./authentication.js";
export type { UwsConnection } from "./connection.js";

// Plain HTTP
export type { HttpReply } from "./http-reply.js";
export type { RequestFacts } from "./http-request.js";
