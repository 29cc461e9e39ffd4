// A server and its connections
export type { TransportConnection } from "./connections/transport-connection.js";
export type { ListeningAddress, TransportServer, TransportStats } from "./transport-server.js";
export type { Authentication, UpgradeRequest } from "./admission/authentication.js";
export type { DrainOptions, DrainProgress } from "./connections/drain.js";
export type { ConnectionHandler } from "./connections/connection-handler.js";
export type { TransportOptions } from "./options/transport-options.js";
export type { ResolvedTransportOptions } from "./options/resolved-options.js";
export type { SlowReaderOptions, SlowReaderPolicy } from "./rooms/slow-reader-options.js";
export { SLOW_READER_POLICIES } from "./rooms/slow-reader-options.js";
export type { TrafficCounts } from "./counters/traffic-counts.js";
export type { FaultCounter } from "./counters/fault-counter.js";
export { createFaultCounter } from "./counters/fault-counter.js";

// Plain HTTP
export type { HttpReply, WriteOptions } from "./http/http-reply.js";
export { headersOf, jsonRefusal, problem, problemOf } from "./http/http-reply.js";
export type { Route, RouteHandler, RouteMethod, RouteRequest } from "./http/route-table.js";
export { routeTableOf } from "./http/route-table.js";
export type { HttpExchange } from "./http/route-dispatcher.js";
export { RouteDispatcher } from "./http/route-dispatcher.js";
export { copyNodeRequest, nodeExchange } from "./http/node-http.js";
export type { RequestFacts, RequestHead } from "./http/request-head.js";
export { copyRequestHead, headTooLarge, objectionTo } from "./http/request-head.js";

// Building blocks of transports
export type { PendingUpgrade, UpgradeResponder } from "./admission/upgrade-admission.js";
export { isOrigin } from "./admission/origin.js";
export { UpgradeAdmission } from "./admission/upgrade-admission.js";
export { BaseTransport } from "./base-transport.js";
export type { FrameFaultCode } from "./connections/connection-table.js";
export type { Ending, WaitingLimit } from "./connections/base-connection.js";
export { BaseConnection, LINGER_MAX_BYTES } from "./connections/base-connection.js";
export type { AcceptPauseOptions } from "./listening/accept-pause.js";
export { AcceptPause } from "./listening/accept-pause.js";
export { listenFailure } from "./listening/listen-failure.js";
export { resolveTransportOptions } from "./options/resolved-options.js";
export type {
  LocalConnectionOptions,
  LocalConnectionStats,
  ResolvedLocalConnectionOptions,
} from "./local-connections.js";
export { requireAddable, resolveLocalConnectionOptions } from "./local-connections.js";
export type { LaneReader, RoomFrame } from "./rooms/lane.js";
export { RoomFanOut } from "./rooms/room-fan-out.js";
export type { RoomWindow, RoomWindowRule } from "./rooms/room-window.js";
export { resolveRoomWindows } from "./options/resolved-options.js";
export { ROOM_WINDOW_MAX_MS } from "./rooms/room-window.js";
export { peerAddress } from "./http/peer-address.js";
export { TrustedProxies } from "./http/trusted-proxies.js";
export { SlowConsumers } from "./connections/slow-consumers.js";
export { UserIndex } from "./connections/user-index.js";
export type { BucketRate } from "./token-bucket.js";
export { burstRate, TokenBucket } from "./token-bucket.js";
