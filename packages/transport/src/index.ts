// A server and its connections
export type { TransportConnection } from "./connection.js";
export type { ListeningAddress, TransportServer, TransportStats } from "./transport-server.js";
export type { Authentication, UpgradeRequest } from "./authentication.js";
export type { DrainOptions, DrainProgress } from "./drain.js";
export type {
  ConnectionHandler,
  ResolvedTransportOptions,
  Route,
  RouteHandler,
  RouteMethod,
  RouteRequest,
  TransportOptions,
} from "./options.js";
export type { SlowReaderOptions, SlowReaderPolicy } from "./slow-readers.js";
export { SLOW_READER_POLICIES } from "./slow-readers.js";
export type { TrafficCounts } from "./traffic.js";
export type { FaultCounter } from "./fault-counter.js";
export { createFaultCounter } from "./fault-counter.js";

// Plain HTTP
export type { HttpReply, WriteOptions } from "./http-reply.js";
export { headersOf, jsonRefusal, problem, problemOf } from "./http-reply.js";
export type { ReplyDoor } from "./http-routes.js";
export type { RequestFacts, RequestHead } from "./request-head.js";
export { copyRequestHead, headTooLarge, objectionTo } from "./request-head.js";

// What a transport is made of
export type { PendingUpgrade, UpgradeDoor } from "./admissions.js";
export { Admissions } from "./admissions.js";
export { BaseTransport } from "./base-transport.js";
export type { FrameFault } from "./connection-table.js";
export type { Ending, WaitingLimit } from "./live-connection.js";
export { LiveConnection } from "./live-connection.js";
export { listenFailure } from "./listen-failure.js";
export { flag, resolveTransportOptions } from "./options.js";
export { invalid, whole } from "./option-values.js";
export type { RoomFrame } from "./room-fan-out.js";
export { RoomFanOut } from "./room-fan-out.js";
export type { RoomWindow } from "./room-window.js";
export { ROOM_WINDOW_MAX_MS } from "./room-window.js";
export { peerAddress } from "./peer-address.js";
export { TrustedProxies } from "./trusted-proxies.js";
export { SlowConsumers } from "./slow-consumers.js";
export { UserIndex } from "./user-index.js";
