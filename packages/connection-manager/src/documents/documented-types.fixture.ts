/*
 * The types as the requirement document about games declares them, and the interface whose methods it lists.
 */
export interface GameEvent {
  type: string;
  userId?: string;
  gameId?: string;
  data?: unknown;
  timestamp: number;
  serverInstance?: string;
}

export interface GameSession {
  id: string;
  players: string[];
  spectators: string[];
  state: "waiting" | "active" | "paused" | "completed";
  createdAt: number;
  lastActivity: number;
  serverInstance: string;
}

export interface PlayerConnection {
  userId: string;
  socketId: string;
  gameIds: string[];
  lastSeen: number;
  serverInstance: string;
}

export interface ConnectionManager {
  connect(userId: string, socketId: string): Promise<void>;
  disconnect(userId: string, socketId: string): Promise<void>;
  joinGame(userId: string, gameId: string): Promise<void>;
  leaveGame(userId: string, gameId: string): Promise<void>;
  getOnlinePlayers(gameId: string): Promise<string[]>;
  broadcast(gameId: string, event: GameEvent): Promise<void>;
  onGameEvent(gameId: string, handler: (event: GameEvent) => void): void;
  getStats(): Promise<{ onlineUsers: number; activeGames: number; totalConnections: number }>;
}
