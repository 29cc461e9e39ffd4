/*
 * The code of the requirement document about sockets, unchanged but for its imports, as a program of an
 * application: it has to compile, and to do what the document says.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createLocalConnectionManager } from "@cm/server-ws";
import { eventually } from "@cm/test-kit";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import { createDistributedConnectionManager } from "../index.js";
import type { Variables } from "./documented-games.fixture.js";

/** A server in the results of `getDistributedStats` and `getActiveServers`, as the document has it. */
interface DocumentedServer {
  serverId: string;
  host: string;
  port: number;
  lastHeartbeat: number;
  activeConnections: number;
}

/** Starts the WebSocket server and the manager of one process, as in the document. */
async function startServer(variables: Variables) {
  for (const name of ["REDIS_URL", "SERVER_HOST", "PORT"]) vi.stubEnv(name, variables[name]);
  // As in the requirement document, the application creates the local manager for the sockets of its own server.
  const connectionManager = createLocalConnectionManager();
  const distributedManager = await createDistributedConnectionManager(connectionManager, {
    redisUrl: process.env.REDIS_URL,
    serverHost: process.env.SERVER_HOST,
    // biome-ignore lint: the document calls parseInt without a radix.
    serverPort: parseInt(process.env.PORT || "3000"),
    heartbeatInterval: 30000,
    heartbeatTTL: 90,
    staleConnectionTimeout: 30 * 60 * 1000,
    cleanupInterval: 5 * 60 * 1000,
  });
  const wss = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  onTestFinished(async () => {
    for (const client of wss.clients) client.terminate();
    wss.close();
    vi.unstubAllEnvs();
    await distributedManager.shutdown();
  });
  await once(wss, "listening");
  const { port } = wss.address() as AddressInfo; // The server listens on TCP.

  /** Connects a client and registers it at the server. */
  const connect = async (userId: string) => {
    const arrived = once(wss, "connection");
    const client = new WebSocket(`ws://127.0.0.1:${port}`);
    const messages: unknown[] = [];
    client.on("message", (data) => void messages.push(JSON.parse(String(data))));
    const [ws] = (await arrived) as [WebSocket]; // The first argument of the event.
    const authToken = `token of ${userId}`;
    const connectionId = await distributedManager.registerConnection(ws, userId, authToken);
    return { client, connectionId, messages };
  };
  return { distributedManager, connect };
}

/** Runs the document's program with the given environment variables. */
export function describeDocumentedSockets(where: string, variables: () => Promise<Variables>): void {
  describe(`the document about sockets, ${where}`, () => {
    it("has every call, and the figures and records in their documented shapes", async () => {
      const given = await variables();
      const { distributedManager, connect } = await startServer({ ...given, SERVER_HOST: "server1.example.com" });
      const roomId = "room-x";
      const { connectionId, messages, client } = await connect("user-123");

      await distributedManager.joinRoom(connectionId, roomId);
      await distributedManager.broadcastToRoom(roomId, {
        type: "game-update",
        data: {
          phase: "action",
          currentPlayer: "user-123",
        },
      });
      await eventually(() => expect(messages).toHaveLength(1));
      await distributedManager.sendToConnection(connectionId, {
        type: "notification",
        message: "Your turn!",
      });
      await eventually(() =>
        expect(messages).toEqual([
          { type: "game-update", data: { phase: "action", currentPlayer: "user-123" } },
          { type: "notification", message: "Your turn!" },
        ]),
      );

      const [log, warnings]: [unknown[][], unknown[][]] = [[], []];
      const console = {
        log: (...line: unknown[]) => void log.push(line),
        warn: (...line: unknown[]) => void warnings.push(line),
        error: (...line: unknown[]) => void warnings.push(line),
      };
      const stats = await distributedManager.getDistributedStats();
      console.log("Total connections:", stats.totalConnections);
      console.log("Total rooms:", stats.totalRooms);
      console.log("Active servers:", stats.activeServers);
      console.log("Local connections:", stats.localConnections);
      console.log("Server details:", stats.serverStats);
      const details: DocumentedServer[] = stats.serverStats;
      expect(log.map(([, value]) => value)).toEqual([1, 1, 1, 1, details]);
      expect(details).toEqual([
        expect.objectContaining({ host: "server1.example.com", port: 3000, activeConnections: 1 }),
      ]);

      if (!distributedManager.isReady()) {
        console.error("DistributedConnectionManager not ready");
      }
      const servers = await distributedManager.getActiveServers();
      const now = Date.now();
      for (const server of servers) {
        const age = now - server.lastHeartbeat;
        if (age > 60000) {
          console.warn("Server heartbeat stale:", server.serverId);
        }
      }
      expect(servers.map(({ serverId }) => serverId)).toEqual(details.map(({ serverId }) => serverId));
      expect(servers satisfies DocumentedServer[]).toHaveLength(1);
      expect(warnings).toEqual([]);

      await distributedManager.leaveRoom(connectionId, roomId);
      await distributedManager.broadcastToRoom(roomId, { type: "nobody hears it" });
      await distributedManager.removeConnection(connectionId);
      expect((await distributedManager.getDistributedStats()).totalConnections).toBe(0);
      await distributedManager.shutdown();
      expect(distributedManager.isReady()).toBe(false);
      expect(messages).toHaveLength(2);
      client.terminate();
    });
  });
}

/** Like {@link describeDocumentedSockets}, but on two servers, which requires a shared Redis. */
export function describeDocumentedServers(where: string, variables: () => Promise<Variables>): void {
  describe(`the document about sockets, on two servers, ${where}`, () => {
    it("brings a room's and a connection's messages across, and forgets a server that failed", async () => {
      const given = await variables();
      const one = await startServer({ ...given, SERVER_HOST: "server1.example.com", PORT: "3001" });
      const two = await startServer({ ...given, SERVER_HOST: "server2.example.com", PORT: "3002" });
      const [ann, bob] = [await one.connect("ann"), await two.connect("bob")];
      await one.distributedManager.joinRoom(ann.connectionId, "room-x");
      await two.distributedManager.joinRoom(bob.connectionId, "room-x");
      await one.distributedManager.broadcastToRoom("room-x", { type: "chat", text: "hello" });
      await two.distributedManager.sendToConnection(ann.connectionId, { type: "notification", message: "Your turn!" });
      await eventually(() => expect(bob.messages).toEqual([{ type: "chat", text: "hello" }]));
      await eventually(() => expect(ann.messages).toContainEqual({ type: "notification", message: "Your turn!" }));

      const stats = await one.distributedManager.getDistributedStats();
      expect([stats.totalConnections, stats.totalRooms, stats.activeServers, stats.localConnections]).toEqual([
        2, 1, 2, 1,
      ]);
      expect(stats.serverStats.map(({ port }) => port).sort()).toEqual([3001, 3002]);
      await one.distributedManager.handleServerFailure("server-2");
      await two.distributedManager.shutdown();
      expect((await one.distributedManager.getActiveServers()).map(({ port }) => port)).toEqual([3001]);
      for (const { client } of [ann, bob]) client.terminate();
    });
  });
}
