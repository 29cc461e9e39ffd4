/*
 * The calls of the requirement document about games, with its arguments, options and types, as a program
 * of an application makes them: it has to compile, and to do what the document says.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { eventually } from "@cm/test-kit";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import {
  type ConnectionManager,
  type GameEvent,
  type GameSession,
  getConnectionManager,
  initializeConnectionManager,
  type PlayerConnection,
} from "../index.js";

/** The types as the document declares them. */
interface DocumentedEvent {
  type: string;
  userId?: string;
  gameId?: string;
  data?: unknown;
  timestamp: number;
  serverInstance?: string;
}
interface DocumentedSession {
  id: string;
  players: string[];
  spectators: string[];
  state: "waiting" | "active" | "paused" | "completed";
  createdAt: number;
  lastActivity: number;
  serverInstance: string;
}
interface DocumentedConnection {
  userId: string;
  socketId: string;
  gameIds: string[];
  lastSeen: number;
  serverInstance: string;
}
interface DocumentedManager {
  connect(userId: string, socketId: string): Promise<void>;
  disconnect(userId: string, socketId: string): Promise<void>;
  joinGame(userId: string, gameId: string): Promise<void>;
  leaveGame(userId: string, gameId: string): Promise<void>;
  getOnlinePlayers(gameId: string): Promise<string[]>;
  broadcast(gameId: string, event: DocumentedEvent): Promise<void>;
  onGameEvent(gameId: string, handler: (event: DocumentedEvent) => void): void;
  getStats(): Promise<{ onlineUsers: number; activeGames: number; totalConnections: number }>;
}

/** Makes the compiler check that the types equal the documented ones, in both directions. */
const SAME_TYPES = {
  event: [(each: GameEvent): DocumentedEvent => each, (each: DocumentedEvent): GameEvent => each],
  session: [(each: GameSession): DocumentedSession => each, (each: DocumentedSession): GameSession => each],
  connection: [
    (each: PlayerConnection): DocumentedConnection => each,
    (each: DocumentedConnection): PlayerConnection => each,
  ],
  manager: [(each: ConnectionManager): DocumentedManager => each],
};

/** Environment variables by name; `undefined` for one that is not set. */
export type Variables = Readonly<Record<string, string | undefined>>;

const VARIABLES = ["REDIS_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "REDIS_DB"];

/** Runs the document's program with the given environment variables. */
export function describeDocumentedGames(where: string, variables: () => Promise<Variables>): void {
  /** Starts a manager as in the document: without options. */
  const start = async () => {
    const found = await variables();
    for (const name of VARIABLES) vi.stubEnv(name, found[name]);
    onTestFinished(() => void vi.unstubAllEnvs());
    const manager = await initializeConnectionManager();
    onTestFinished(() => manager.shutdown());
    return manager;
  };

  describe(`the document about games, ${where}`, () => {
    it("quick start: a user connects, plays, sends, leaves and disconnects", async () => {
      const [userId, socketId, gameId] = ["user-quick", "socket-quick", "game-quick"];
      const manager = await start();
      expect(SAME_TYPES.manager).toHaveLength(1);
      const heard: string[] = [];
      getConnectionManager().onGameEvent(gameId, (event) => void heard.push(event.type));

      await manager.connect(userId, socketId);
      await manager.joinGame(userId, gameId);
      await manager.broadcast(gameId, {
        type: "game-move",
        userId: userId,
        data: { action: "play-card", cardId: "123" },
        timestamp: Date.now(),
      });
      await eventually(() => expect(heard).toContain("game-move"));
      await manager.leaveGame(userId, gameId);
      await manager.disconnect(userId, socketId);
      expect(await manager.getOnlinePlayers(gameId)).toEqual([]);
      expect((await manager.getStats()).totalConnections).toBe(0);
    });

    it("has every call of the reference, and the records in their documented shapes", async () => {
      const manager = await start();
      const connectionManager = getConnectionManager();
      expect(connectionManager).toBe(manager);
      const log: string[] = [];

      await manager.connect("user-123", "socket-abc");
      manager.onGameEvent("game-456", (event) => {
        log.push(`Received event: ${event.type}`);
      });
      await manager.joinGame("user-123", "game-456");
      const players = await manager.getOnlinePlayers("game-456");
      log.push(`Online players: ${players.length}`);
      await manager.broadcast("game-456", {
        type: "game-state-update",
        data: { phase: "draw", currentPlayer: "user-123" },
        timestamp: Date.now(),
      });
      const stats = await manager.getStats();
      log.push(`${stats.onlineUsers} users, ${stats.activeGames} games, ${stats.totalConnections} connections`);
      await eventually(() => expect(log).toContain("Received event: game-state-update"));
      expect(log).toContain("Online players: 1");
      expect(log).toContain("1 users, 1 games, 1 connections");

      const session: DocumentedSession | undefined = await manager.getSession("game-456");
      expect(session).toEqual({
        id: "game-456",
        players: ["user-123"],
        spectators: [],
        state: "waiting",
        createdAt: expect.any(Number),
        lastActivity: expect.any(Number),
        serverInstance: manager.serverInstance,
      });
      const connections: DocumentedConnection[] = await manager.getConnections("user-123");
      expect(connections).toEqual([
        {
          userId: "user-123",
          socketId: "socket-abc",
          gameIds: ["game-456"],
          lastSeen: expect.any(Number),
          serverInstance: manager.serverInstance,
        },
      ]);
      // biome-ignore lint/suspicious/noExplicitAny: the document calls it so.
      expect(await (manager as any).cleanupStaleConnections()).toBe(0);
      await manager.leaveGame("user-123", "game-456");
      expect(await manager.getSession("game-456")).toBeUndefined();
      // A user who disconnects leaves all games.
      await manager.joinGame("user-123", "game-457");
      await manager.disconnect("user-123", "socket-abc");
      expect(await manager.getOnlinePlayers("game-457")).toEqual([]);
    });

    it("works beside a WebSocket server, whose sockets get the events of a game", async () => {
      const gameId = "game-ws";
      const httpServer = createServer();
      const wss = new WebSocketServer({ server: httpServer });
      onTestFinished(() => {
        for (const client of wss.clients) client.terminate();
        httpServer.close();
      });
      await once(httpServer.listen(0, "127.0.0.1"), "listening");
      const connectionManager = await start();
      const localConnections = new Set<WebSocket>();

      wss.on("connection", async (socket, request) => {
        const [userId = "", socketId = ""] = (request.url ?? "/").slice(1).split("/");
        localConnections.add(socket);
        socket.on("close", async () => {
          localConnections.delete(socket);
          await connectionManager.disconnect(userId, socketId);
        });
        await connectionManager.connect(userId, socketId);
        await connectionManager.joinGame(userId, gameId);
        socket.send("in the game");
      });
      connectionManager.onGameEvent(gameId, (event) => {
        localConnections.forEach((conn) => {
          conn.send(JSON.stringify(event));
        });
      });

      const { port } = httpServer.address() as AddressInfo; // The server listens on TCP.
      const client = new WebSocket(`ws://127.0.0.1:${port}/user-ws/socket-ws`);
      const texts: string[] = [];
      client.on("message", (data) => void texts.push(String(data)));
      await eventually(() => expect(texts).toContain("in the game"));
      const move = { type: "game-move", userId: "user-ws", data: { action: "pass" }, timestamp: Date.now() };
      await connectionManager.broadcast(gameId, move);
      const told = { ...move, gameId, serverInstance: connectionManager.serverInstance };
      await eventually(() => expect(texts.slice(1).map((text) => JSON.parse(text))).toContainEqual(told));
      expect(await connectionManager.getOnlinePlayers(gameId)).toEqual(["user-ws"]);
      client.close();
      await eventually(async () => expect(await connectionManager.getOnlinePlayers(gameId)).toEqual([]));
    });

    it("lets a program follow the advice: one start, reported failures, only events of others, logged figures", async () => {
      const logged: unknown[] = [];
      const logger = {
        info: (message: string, details: unknown) => void logged.push([message, details]),
        error: (message: string, { error }: { readonly error: unknown }) => void logged.push([message, error]),
      };
      const connectionManager = await start();
      const manager = await initializeConnectionManager();
      expect(manager).toBe(connectionManager);
      const [userId, socketId, gameId] = ["user-9", "socket-9", "game-9"];
      const myInstanceId = manager.serverInstance;

      const told: GameEvent[] = [];
      const all: string[] = [];
      manager.onGameEvent(gameId, (event) => {
        if (event.serverInstance !== myInstanceId) told.push(event);
        all.push(event.type);
      });
      await connectionManager.connect(userId, socketId);
      try {
        await manager.joinGame(userId, gameId);
      } catch (error) {
        logger.error("Failed to join game", { error });
      }
      await manager.broadcast(gameId, { type: "own", timestamp: Date.now() });
      await eventually(() => expect(all).toContain("own"));
      expect(told).toEqual([]);

      const logStats = async () => {
        const stats = await manager.getStats();
        logger.info("Connection stats", stats);
      };
      const timer = setInterval(logStats, 60000);
      await logStats();
      clearInterval(timer);
      expect(logged).toEqual([["Connection stats", { onlineUsers: 1, activeGames: 1, totalConnections: 1 }]]);
      try {
        await connectionManager.disconnect(userId, socketId);
      } catch (error) {
        logger.error("Failed to cleanup connection", { error });
      }
      expect(logged).toHaveLength(1);

      await manager.shutdown();
      try {
        await manager.joinGame(userId, gameId);
      } catch (error) {
        logger.error("Failed to join game", { error });
      }
      expect(logged[1]).toEqual(["Failed to join game", expect.objectContaining({ code: "closed" })]);
    });
  });
}
