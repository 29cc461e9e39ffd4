import { freshPrefix, startFaultProxy } from "@cm/test-kit";
import { describe, expect, inject, it, onTestFinished } from "vitest";
import type { DistributedConnectionManager } from "./distributed-connection-manager.js";
import { LocalSockets, Socket } from "./local-sockets.fixture.js";
import { createDistributedConnectionManager } from "./node-connection-manager.js";

/**
 * Duration of one round trip, in milliseconds: much longer than anything else here, so that the elapsed
 * time counts round trips.
 */
const ROUND_TRIP_MS = 300;

async function start(
  redisUrl: string,
  prefix: string,
  serverId: string,
): Promise<DistributedConnectionManager<Socket>> {
  const manager = await createDistributedConnectionManager(new LocalSockets(), { redisUrl, prefix, serverId });
  onTestFinished(() => manager.shutdown());
  return manager;
}

describe("on a real Redis that is far away", () => {
  it("operations cost one round trip, a local message none, and reading what servers say two the first time", async () => {
    const prefix = freshPrefix();
    const redis = new URL(inject("redisUrl"));
    const proxy = await startFaultProxy(Number(redis.port));
    onTestFinished(() => proxy.close());
    const near = await start(redis.href, prefix, "near");
    const far = await start(`redis://127.0.0.1:${proxy.port}`, prefix, "far");
    const remote = await near.registerConnection(new Socket(), "bob");
    // Make Redis load the scripts first, because the first use of a script takes an additional round
    // trip.
    const warm = await far.registerConnection(new Socket(), "warm");
    await far.joinRoom(warm, "warm");
    await far.leaveRoom(warm, "warm");
    await far.removeConnection(warm);
    await near.getActiveServers();
    await proxy.set({ kind: "delay", toServerMs: ROUND_TRIP_MS / 2, toClientMs: ROUND_TRIP_MS / 2 });
    // Remove the delay before the manager shuts down, which is not measured.
    onTestFinished(() => proxy.set({ kind: "pass" }));

    const counts: Record<string, number> = {};
    const measure = async <T>(name: string, call: () => Promise<T>): Promise<T> => {
      const begun = performance.now();
      const value = await call();
      counts[name] = Math.floor((performance.now() - begun) / ROUND_TRIP_MS);
      return value;
    };
    const id = await measure("registerConnection", () => far.registerConnection(new Socket(), "ann"));
    const other = await far.registerConnection(new Socket(), "cem");
    await measure("joinRoom, first here", () => far.joinRoom(id, "lobby"));
    await measure("joinRoom", () => far.joinRoom(other, "lobby"));
    await measure("broadcastToRoom", () => far.broadcastToRoom("lobby", 1));
    await measure("sendToConnection, local", () => far.sendToConnection(id, 1));
    await measure("sendToConnection", () => far.sendToConnection(remote, 1));
    await measure("sendToUser", () => far.sendToUser("bob", 1));
    await measure("getDistributedStats", () => far.getDistributedStats());
    await measure("getActiveServers", () => far.getActiveServers());
    await measure("leaveRoom", () => far.leaveRoom(id, "lobby"));
    await measure("removeConnection", () => far.removeConnection(id));
    expect(counts).toEqual({
      registerConnection: 1,
      "joinRoom, first here": 1,
      joinRoom: 1,
      broadcastToRoom: 1,
      "sendToConnection, local": 0,
      sendToConnection: 1,
      sendToUser: 2,
      getDistributedStats: 2,
      getActiveServers: 1,
      leaveRoom: 1,
      removeConnection: 1,
    });
  });
});
