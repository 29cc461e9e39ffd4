// Games
export { createConnectionManager } from "./games/game-manager.js";
export { getConnectionManager, initializeConnectionManager } from "./games/singleton.js";
export { optionsFromEnvironment } from "./games/environment.js";
export type {
  ConnectionManager,
  ConnectionStats,
  DisconnectOptions,
  HandlerRegistration,
} from "./games/connection-manager.js";
export type { Environment } from "./games/environment.js";
export type { GameEventHandler } from "./games/game-feed.js";
export type { ConnectionManagerOptions } from "./games/options.js";

// Sockets
