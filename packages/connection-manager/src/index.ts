// Games
export { createConnectionManager } from "./games/game-connection-manager.js";
export { getConnectionManager, initializeConnectionManager } from "./games/connection-manager-singleton.js";
export { optionsFromEnvironment } from "./games/environment-options.js";
export type {
  ConnectionManager,
  ConnectionStats,
  DisconnectOptions,
  HandlerRegistration,
} from "./games/connection-manager.js";
export type { Environment } from "./games/environment-options.js";
export type { GameEventHandler } from "./games/events/game-feed.js";
export type { ConnectionManagerOptions } from "./games/game-options.js";
export type { GameEvent, GameSession, GameState, PlayerConnection } from "@cm/protocol";

// Sockets
export { createDistributedConnectionManager } from "./distributed/node-connection-manager.js";

export type { DepartureMessage } from "./distributed/leave-notices.js";
export type {
  BroadcastOptions,
  ConfirmOptions,
  DistributedConnectionManager,
  DistributedStats,
  ServerRecord,
} from "./distributed/distributed-connection-manager.js";
export type { DistributedConnectionManagerOptions, VerifyToken } from "./distributed/distributed-options.js";
export type { ConfirmedOutcome, Confirmation, Gap, RouteOutcome } from "@cm/router";
