/*
 * The code of the requirement document about games, unchanged but for its imports, as programs of an
 * application: it has to compile, and to do what the document says.
 */
import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { eventually } from "@cm/test-kit";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import WebSocket from "ws";
import {
  type ConnectionManager,
  type GameEvent,
  type GameSession,
  getConnectionManager,
  initializeConnectionManager,
  type PlayerConnection,
} from "../index.js";
import { EnhancedWebSocketServer } from "./documented-server.fixture.js";
import type * as documented from "./documented-types.fixture.js";

/** Makes the compiler check that the types equal the documented ones, in both directions. */
const SAME_TYPES = {
  event: [(each: GameEvent): documented.GameEvent => each, (each: documented.GameEvent): GameEvent => each],
  session: [(each: GameSession): documented.GameSession => each, (each: documented.GameSession): GameSession => each],
  connection: [
    (each: PlayerConnection): documented.PlayerConnection => each,
    (each: documented.PlayerConnection): PlayerConnection => each,
  ],
  manager: [(each: ConnectionManager): documented.ConnectionManager => each],
};

/** Environment variables by name; `undefined` for one that is not set. */
export type Variables = Readonly<Record<string, string | undefined>>;

const VARIABLES = ["REDIS_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "REDIS_DB"];

/** Runs the document's program with the given environment variables. */
export function describeDocumentedGames(where: string, variables: () => Promise<Variables>): void {
  /** Sets the variables for one test. */
  const setVariables = async () => {
    const found = await variables();
    for (const name of VARIABLES) vi.stubEnv(name, found[name]);
    onTestFinished(() => void vi.unstubAllEnvs());
  };
  const shutDownAtEnd = (manager: { shutdown(): Promise<void> }) => onTestFinished(() => manager.shutdown());

  describe(`the document about games, ${where}`, () => {
    it("quick start: a user connects, plays, sends, leaves and disconnects", async () => {
      const [userId, socketId, gameId] = ["user-quick", "socket-quick", "game-quick"];
      await setVariables();
      const manager = await initializeConnectionManager();
      shutDownAtEnd(manager);
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
      await setVariables();
      const manager = await initializeConnectionManager();
      shutDownAtEnd(manager);
      expect(getConnectionManager()).toBe(manager);
      const log: string[] = [];
      const console = { log: (line: string) => void log.push(line) };

      await manager.connect("user-123", "socket-abc");
      manager.onGameEvent("game-456", (event) => {
        console.log(`Received event: ${event.type}`);
      });
      await manager.joinGame("user-123", "game-456");
      const players = await manager.getOnlinePlayers("game-456");
      console.log(`Online players: ${players.length}`);
      await manager.broadcast("game-456", {
        type: "game-state-update",
        data: { phase: "draw", currentPlayer: "user-123" },
        timestamp: Date.now(),
      });
      const stats = await manager.getStats();
      console.log(`${stats.onlineUsers} users, ${stats.activeGames} games, ${stats.totalConnections} connections`);
      await eventually(() => expect(log).toContain("Received event: game-state-update"));
      expect(log).toContain("Online players: 1");
      expect(log).toContain("1 users, 1 games, 1 connections");

      const session: documented.GameSession | undefined = await manager.getSession("game-456");
      expect(session).toEqual({
        id: "game-456",
        players: ["user-123"],
        spectators: [],
        state: "waiting",
        createdAt: expect.any(Number),
        lastActivity: expect.any(Number),
        serverInstance: manager.serverInstance,
      });
      const connections: documented.PlayerConnection[] = await manager.getConnections("user-123");
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
      await setVariables();
      const gameId = "game-ws";
      const httpServer = createServer();
      onTestFinished(() => void httpServer.close());
      await once(httpServer.listen(0, "127.0.0.1"), "listening");

      const wss = new EnhancedWebSocketServer(httpServer);
      const connectionManager = await initializeConnectionManager();
      shutDownAtEnd(connectionManager);
      const ws = wss;
      const localConnectionManager = { getGameRoomConnections: (_: string) => [...wss.connections] };

      ws.on("connect", async (socket) => {
        const userId = socket.userId;
        const socketId = socket.connectionId;
        await connectionManager.connect(userId, socketId);
      });
      ws.on("disconnect", async (socket) => {
        await connectionManager.disconnect(socket.userId, socket.connectionId);
      });
      connectionManager.onGameEvent(gameId, (event) => {
        const connections = localConnectionManager.getGameRoomConnections(gameId);
        connections.forEach((conn) => {
          conn.send(JSON.stringify(event));
        });
      });

      const { port } = httpServer.address() as AddressInfo; // The server listens on TCP.
      const client = new WebSocket(`ws://127.0.0.1:${port}/user-ws/socket-ws`);
      onTestFinished(() => client.terminate());
      const events: unknown[] = [];
      client.on("message", (data) => void events.push(JSON.parse(String(data))));
      await eventually(async () => expect(await connectionManager.getConnections("user-ws")).toHaveLength(1));
      await connectionManager.joinGame("user-ws", gameId);
      const move = { type: "game-move", userId: "user-ws", data: { action: "pass" }, timestamp: Date.now() };
      await connectionManager.broadcast(gameId, move);
      const received = { ...move, gameId, serverInstance: connectionManager.serverInstance };
      await eventually(() => expect(events).toContainEqual(received));
      expect(await connectionManager.getOnlinePlayers(gameId)).toEqual(["user-ws"]);
      client.close();
      await eventually(async () => expect(await connectionManager.getOnlinePlayers(gameId)).toEqual([]));
    });

    it("lets a program follow the advice: one start, reported failures, only events of others, logged figures", async () => {
      await setVariables();
      const logged: unknown[] = [];
      const logger = {
        info: (message: string, details: unknown) => void logged.push([message, details]),
        error: (message: string, details: unknown) => void logged.push([message, details]),
      };
      const startServer = async () => {
        // biome-ignore lint/correctness/noUnusedVariables: the document shows only the beginning of the function.
        const connectionManager = await initializeConnectionManager();
      };
      await startServer();
      const connectionManager = await initializeConnectionManager();
      shutDownAtEnd(connectionManager);
      const manager = getConnectionManager();
      expect(manager).toBe(connectionManager);
      const [userId, socketId, gameId] = ["user-9", "socket-9", "game-9"];
      const myInstanceId = manager.serverInstance;

      const forwarded: GameEvent[] = [];
      const broadcastToLocalClients = (_: string, event: GameEvent) => void forwarded.push(event);
      manager.onGameEvent(gameId, (event) => {
        if (event.serverInstance !== myInstanceId) {
          broadcastToLocalClients(gameId, event);
        }
      });
      const all: string[] = [];
      manager.onGameEvent(gameId, (event) => void all.push(event.type));
      await connectionManager.connect(userId, socketId);
      await connectionManager.joinGame(userId, gameId);
      await manager.broadcast(gameId, { type: "own", timestamp: Date.now() });
      await eventually(() => expect(all).toContain("own"));
      expect(forwarded).toEqual([]);

      // Run the function that would run every minute.
      const scheduled: (() => Promise<void>)[] = [];
      const setInterval = (run: () => Promise<void>, _: number) => void scheduled.push(run);
      setInterval(async () => {
        const stats = await manager.getStats();
        logger.info("Connection stats", stats);
      }, 60000);
      for (const run of scheduled) await run();
      expect(logged).toEqual([["Connection stats", { onlineUsers: 1, activeGames: 1, totalConnections: 1 }]]);

      const socket = new EventEmitter();
      socket.on("disconnect", async () => {
        try {
          await connectionManager.disconnect(userId, socketId);
        } catch (error) {
          logger.error("Failed to cleanup connection", { error });
        }
      });
      socket.emit("disconnect");
      await eventually(async () => expect(await manager.getConnections(userId)).toEqual([]));
      expect(logged).toHaveLength(1);

      await manager.shutdown();
      try {
        await manager.joinGame(userId, gameId);
      } catch (error) {
        logger.error("Failed to join game", { error, userId, gameId });
      }
      const error = expect.objectContaining({ code: "closed" });
      expect(logged[1]).toEqual(["Failed to join game", { error, userId, gameId }]);
    });
  });
}
