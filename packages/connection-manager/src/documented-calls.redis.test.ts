/*
 * The calls and shapes of the two requirement documents, one after the other, as a program
 * that was written from them makes them: it has to compile, and to do what they say.
 */
import { askRedis, eventually, freshPrefix, keysUnder } from "@cm/test-kit";
import { expect, inject, it, onTestFinished, vi } from "vitest";
import { LocalSockets, Socket } from "./distributed/local-sockets.fixture.js";
import { createDistributedConnectionManager, getConnectionManager, initializeConnectionManager } from "./index.js";

/** The shapes that programs declare for themselves. */
interface Session {
  id: string;
  players: string[];
  spectators: string[];
  state: "waiting" | "active" | "paused" | "completed";
  createdAt: number;
  lastActivity: number;
  serverInstance: string;
}
interface Player {
  userId: string;
  socketId: string;
  gameIds: string[];
  lastSeen: number;
  serverInstance: string;
}
interface Event {
  type: string;
  userId?: string;
  gameId?: string;
  data?: unknown;
  timestamp: number;
  serverInstance?: string;
}
interface Games {
  connect(userId: string, socketId: string): Promise<void>;
  disconnect(userId: string, socketId: string): Promise<void>;
  joinGame(userId: string, gameId: string): Promise<void>;
  leaveGame(userId: string, gameId: string): Promise<void>;
  getOnlinePlayers(gameId: string): Promise<string[]>;
  broadcast(gameId: string, event: Event): Promise<void>;
  onGameEvent(gameId: string, handler: (event: Event) => void): void;
  getStats(): Promise<{ onlineUsers: number; activeGames: number; totalConnections: number }>;
}
interface Server {
  serverId: string;
  host: string;
  port: number;
  activeConnections: number;
  lastHeartbeat: number;
}

const redisUrl = inject("redisUrl");

async function removeKeys(prefix: string): Promise<void> {
  for (const key of await keysUnder(redisUrl, `${prefix}:`)) await askRedis(Number(new URL(redisUrl).port), "DEL", key);
}

it("games: a program of the documented calls compiles, and plays", async () => {
  const prefix = freshPrefix();
  vi.stubEnv("REDIS_URL", redisUrl);
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  const options = { prefix, offlineGraceMs: 0 };
  const manager: Games = await initializeConnectionManager(options);
  const connectionManager = getConnectionManager();
  onTestFinished(async () => {
    await connectionManager.shutdown();
    await removeKeys(prefix);
  });
  expect(connectionManager).toBe(manager);

  const heard: string[] = [];
  connectionManager.onGameEvent("game-456", (event) => {
    heard.push(`${event.type} ${event.userId ?? "-"} ${event.serverInstance === connectionManager.serverInstance}`);
  });
  await manager.connect("user-123", "socket-abc");
  await manager.joinGame("user-123", "game-456");
  await manager.broadcast("game-456", {
    type: "game-move",
    userId: "user-123",
    data: { action: "play-card", cardId: "123" },
    timestamp: Date.now(),
  });
  await manager.broadcast("game-456", {
    type: "game-state-update",
    data: { phase: "draw", currentPlayer: "user-123" },
    timestamp: Date.now(),
  });
  await eventually(() =>
    expect(heard.filter((line) => !line.startsWith("player-joined"))).toEqual([
      "game-move user-123 true",
      "game-state-update - true",
    ]),
  );
  expect(await manager.getOnlinePlayers("game-456")).toEqual(["user-123"]);
  expect(await manager.getStats()).toEqual({ onlineUsers: 1, activeGames: 1, totalConnections: 1 });
  const session: Session | undefined = await connectionManager.getSession("game-456");
  expect(session).toMatchObject({ id: "game-456", players: ["user-123"], spectators: [], state: "waiting" });
  const sockets: Player[] = await connectionManager.getConnections("user-123");
  expect(sockets).toEqual([expect.objectContaining({ socketId: "socket-abc", gameIds: ["game-456"] })]);
  expect(await connectionManager.cleanupStaleConnections()).toBe(0);
  await manager.leaveGame("user-123", "game-456");
  await manager.disconnect("user-123", "socket-abc");
  expect(await manager.getStats()).toEqual({ onlineUsers: 0, activeGames: 0, totalConnections: 0 });
});

it("sockets: a program of the documented calls compiles, and reaches its clients", async () => {
  const prefix = freshPrefix();
  vi.stubEnv("REDIS_URL", redisUrl);
  vi.stubEnv("SERVER_HOST", "server1.example.com");
  vi.stubEnv("PORT", undefined);
  const local = new LocalSockets();
  const distributedManager = await createDistributedConnectionManager(local, {
    redisUrl: process.env.REDIS_URL,
    serverHost: process.env.SERVER_HOST,
    serverPort: Number.parseInt(process.env.PORT || "3000", 10),
    heartbeatInterval: 30000,
    heartbeatTTL: 90,
    staleConnectionTimeout: 30 * 60 * 1000,
    cleanupInterval: 5 * 60 * 1000,
    prefix,
    onWarning: (warning) => expect.fail(warning),
  });
  onTestFinished(async () => {
    vi.unstubAllEnvs();
    await distributedManager.shutdown();
    await removeKeys(prefix);
  });

  const ws = new Socket();
  const connectionId: string = await distributedManager.registerConnection(ws, "user-123", "a token");
  await distributedManager.joinRoom(connectionId, "room-x");
  const update = { type: "game-update", data: { phase: "action", currentPlayer: "user-123" } };
  await distributedManager.broadcastToRoom("room-x", update);
  await eventually(() => expect(ws.messages).toEqual([update]));
  await distributedManager.sendToConnection(connectionId, { type: "notification", message: "Your turn!" });
  expect(ws.messages[1]).toEqual({ type: "notification", message: "Your turn!" });

  const stats = await distributedManager.getDistributedStats();
  expect([stats.totalConnections, stats.totalRooms, stats.activeServers, stats.localConnections]).toEqual([1, 1, 1, 1]);
  const details: Server[] = stats.serverStats;
  expect(details).toEqual([expect.objectContaining({ host: "server1.example.com", port: 3000, activeConnections: 1 })]);
  expect(distributedManager.isReady()).toBe(true);
  const servers: Server[] = await distributedManager.getActiveServers();
  for (const server of servers) expect(Date.now() - server.lastHeartbeat).toBeLessThan(60_000);
  await distributedManager.handleServerFailure("server-2");
  await distributedManager.leaveRoom(connectionId, "room-x");
  await distributedManager.removeConnection(connectionId);
  expect((await distributedManager.getDistributedStats()).totalConnections).toBe(0);
});
