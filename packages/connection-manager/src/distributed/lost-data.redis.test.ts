import { freshPrefix, startRedis } from "@cm/test-kit";
import { describe, expect, it, onTestFinished } from "vitest";
import type { DistributedConnectionManager } from "./distributed-connection-manager.js";
import { LocalSockets, Socket } from "./local-sockets.fixture.js";
import { createDistributedConnectionManager } from "./node-connection-manager.js";

const WAIT = { timeout: 15_000, interval: 50 } as const;

describe("a Redis that restarts empty", () => {
  it("closes no socket and announces no present member as gone; later departures are announced", async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    const prefix = freshPrefix();
    const start = async (serverId: string): Promise<DistributedConnectionManager<Socket>> => {
      const manager = await createDistributedConnectionManager(new LocalSockets(), {
        redisUrl: redis.url,
        prefix,
        serverId,
        heartbeatInterval: 200,
        heartbeatTTL: 3,
        onError: () => undefined,
      });
      onTestFinished(() => manager.shutdown());
      return manager;
    };
    const [alpha, beta] = [await start("alpha"), await start("beta")];
    const connect = async (manager: DistributedConnectionManager<Socket>, userId: string) => {
      const socket = new Socket();
      const id = await manager.registerConnection(socket, userId);
      await manager.joinRoom(id, "lobby");
      return { id, socket };
    };
    const ann = await connect(alpha, "ann");
    const bob = await connect(beta, "bob");
    // Once ann receives a visitor's departure, her server is watching the room.
    const told = () => ann.socket.messages as { readonly type: string; readonly userId: string }[];
    await expect
      .poll(async () => {
        await beta.removeConnection((await connect(beta, "visitor")).id);
        return told().length;
      }, WAIT)
      .toBeGreaterThan(0);
    const others = () => told().filter(({ userId }) => userId !== "visitor");

    await redis.restart();
    await expect.poll(() => alpha.isReady() && beta.isReady(), WAIT).toBe(true);
    await expect
      .poll(async () => {
        const { totalConnections, totalRooms, activeServers } = await alpha.getDistributedStats();
        return [totalConnections, totalRooms, activeServers];
      }, WAIT)
      .toEqual([2, 1, 2]);
    // Another visitor's departure is reported, so the room is still watched, and everything read before
    // has been processed.
    const before = told().length;
    await expect
      .poll(async () => {
        await beta.removeConnection((await connect(beta, "visitor")).id);
        return told().length;
      }, WAIT)
      .toBeGreaterThan(before);
    expect(others()).toEqual([]);
    expect([ann.socket.isOpen, bob.socket.isOpen]).toEqual([true, true]);
    bob.socket.close();
    await expect.poll(others, WAIT).toMatchObject([{ type: "user-disconnected", userId: "bob" }]);
  });
});
