import { createMemoryStore } from "@cm/memory-store";
import { connectionIdsOf, createConnectionIdSource } from "@cm/protocol";
import { type CallTable, callsNotRejectedWith } from "@cm/test-kit";
import { describe, expect, it, onTestFinished } from "vitest";
import { codeOf } from "../error-code.fixture.js";
import type { DistributedConnectionManager } from "./distributed-connection-manager.js";
import { LocalSockets, Socket } from "./local-sockets.fixture.js";
import { expectEmpty, TestCluster, witness } from "./managers.fixture.js";
import { createDistributedConnectionManager } from "./node-connection-manager.js";

describe("registering a socket", () => {
  it("gives it an id that names its server, and writes it down with its user", async () => {
    const { manager, store, local } = await new TestCluster().start("alpha");
    const socket = new Socket();
    const id = await manager.registerConnection(socket, "ann", "any token");
    expect(id).toMatch(/^alpha\./);
    expect(local.held.get(id)?.socket).toBe(socket);
    expect(await store.connections.get(id)).toMatchObject({ userId: "ann", rooms: [] });
    expect(await connectionIdsOf(store.users, "ann")).toEqual([id]);
  });

  it("is undone when the socket closes, without anybody asking for it", async () => {
    const alpha = await new TestCluster().start("alpha");
    const { id, socket } = await alpha.connect("ann", "lobby");
    socket.close();
    await expectEmpty(alpha);
    expect(await alpha.store.connections.get(id)).toBeUndefined();
    expect(await codeOf(alpha.manager.removeConnection(id))).toBe("done");
    expect(alpha.errors).toEqual([]);
  });

  it("is undone by hand, once or twice, and leaves the socket open", async () => {
    const alpha = await new TestCluster().start("alpha");
    const { id, socket } = await alpha.connect("ann", "lobby");
    await alpha.manager.removeConnection(id);
    await alpha.manager.removeConnection(id);
    await expectEmpty(alpha);
    expect(socket.isOpen).toBe(true);
    const again = await alpha.manager.registerConnection(socket, "ann");
    expect(again).not.toBe(id);
    expect(await alpha.manager.sendToConnection(again, "hello")).toBe("delivered");
    expect(socket.messages).toEqual(["hello"]);
  });

  it("fails with `closed` if the socket closes meanwhile, and leaves nothing", async () => {
    const alpha = await new TestCluster().start("alpha");
    const socket = new Socket();
    const registering = codeOf(alpha.manager.registerConnection(socket, "ann"));
    // The memory store responds within the same event-loop turn, so polling would be too slow.
    for (let step = 0; alpha.local.size === 0 && step < 100; step++) await Promise.resolve();
    expect(alpha.local.size).toBe(1);
    socket.close();
    expect(await registering).toBe("closed");
    expect(await codeOf(alpha.manager.registerConnection(socket, "ann"))).toBe("closed");
    await expectEmpty(alpha);
  });

  it("is refused for a socket that is registered, and beyond the capacity, and changes nothing", async () => {
    const alpha = await new TestCluster().start("alpha", {}, new LocalSockets(2));
    const { socket } = await alpha.connect("ann");
    expect(await codeOf(alpha.manager.registerConnection(socket, "bob"))).toBe("id-invalid");
    await alpha.connect("cem");
    expect(await codeOf(alpha.manager.registerConnection(new Socket(), "dan"))).toBe("capacity-reached");
    expect(await alpha.store.counts.of("connections")).toBe(2);
    expect(alpha.local.size).toBe(2);
    socket.close();
    expect(await codeOf(alpha.manager.registerConnection(new Socket(), "dan"))).toBe("done");
  });

  it("leaves nothing behind if the store can't be reached", async () => {
    const alpha = await new TestCluster().start("alpha");
    await alpha.store.close();
    expect(await codeOf(alpha.manager.registerConnection(new Socket(), "ann"))).not.toBe("done");
    expect(alpha.local.size).toBe(0);
  });
});

describe("rooms", () => {
  it("span servers: a message sent on any server reaches exactly the members", async () => {
    const cluster = new TestCluster();
    const [alpha, beta] = [await cluster.start("alpha"), await cluster.start("beta")];
    const [ann, bob] = [await alpha.connect("ann", "lobby"), await beta.connect("bob", "lobby")];
    const cem = await beta.connect("cem", "hall");
    const message = { type: "game-update", data: { phase: "action" } };
    await alpha.manager.broadcastToRoom("lobby", message);
    await beta.manager.broadcastToRoom("lobby", "not for ann", { except: [ann.id] });
    await expect.poll(() => bob.socket.messages).toEqual([message, "not for ann"]);
    expect(ann.socket.messages).toEqual([message]);
    expect(cem.socket.messages).toEqual([]);
    expect(await codeOf(alpha.manager.broadcastToRoom("nobody is here", message))).toBe("done");
  });

  it("are joined and left once, however often it is asked for", async () => {
    const alpha = await new TestCluster().start("alpha");
    const { id, socket } = await alpha.connect("ann");
    const other = await alpha.connect("bob", "lobby");
    await Promise.all([alpha.manager.joinRoom(id, "lobby"), alpha.manager.joinRoom(id, "lobby")]);
    await alpha.manager.joinRoom(id, "lobby");
    await alpha.manager.broadcastToRoom("lobby", 1);
    await expect.poll(() => socket.messages).toEqual([1]);
    await alpha.manager.leaveRoom(id, "lobby");
    await alpha.manager.leaveRoom(id, "lobby");
    await alpha.manager.broadcastToRoom("lobby", 2);
    await expect.poll(() => other.socket.messages).toContain(2);
    await alpha.manager.joinRoom(id, "lobby");
    await alpha.manager.broadcastToRoom("lobby", 3);
    await expect.poll(() => socket.messages).toEqual([1, 3]);
    await alpha.manager.leaveRoom(id, "lobby");
    await alpha.manager.leaveRoom(other.id, "lobby");
    expect(await alpha.store.counts.of("rooms")).toBe(0);
  });

  it("do not keep a connection that leaves while joining", async () => {
    const alpha = await new TestCluster().start("alpha");
    const { id, socket } = await alpha.connect("ann");
    const joining = codeOf(alpha.manager.joinRoom(id, "lobby"));
    await alpha.manager.leaveRoom(id, "lobby");
    expect(await joining).toBe("not-found");
    await alpha.manager.broadcastToRoom("lobby", "nobody hears it");
    expect(alpha.local.held.get(id)?.rooms).toEqual(new Set());
    expect(await alpha.store.counts.of("rooms")).toBe(0);
    const joinAgain = alpha.manager.joinRoom(id, "lobby");
    socket.close();
    expect(await codeOf(joinAgain)).toBe("not-found");
    await expectEmpty(alpha);
  });

  it("can be joined and left, and connections removed, from another server", async () => {
    const cluster = new TestCluster();
    const [alpha, beta] = [await cluster.start("alpha"), await cluster.start("beta")];
    const { id, socket } = await alpha.connect("ann");
    await beta.manager.joinRoom(id, "lobby");
    await beta.manager.broadcastToRoom("lobby", "in");
    await expect.poll(() => socket.messages).toEqual(["in"]);
    await beta.manager.leaveRoom(id, "lobby");
    expect(await alpha.store.counts.of("rooms")).toBe(0);
    await beta.manager.removeConnection(id);
    expect(socket.closedFor).toBe("terminated");
    await expectEmpty(alpha);
    expect(await codeOf(beta.manager.joinRoom(id, "lobby"))).toBe("not-found");
    expect(await codeOf(beta.manager.leaveRoom(id, "lobby"))).toBe("done");
    expect(await codeOf(beta.manager.removeConnection(id))).toBe("done");
  });
});

describe("direct messages", () => {
  it("report whether they were delivered, sent, or had no recipient", async () => {
    const cluster = new TestCluster();
    const [alpha, beta] = [await cluster.start("alpha"), await cluster.start("beta")];
    const { id, socket } = await alpha.connect("ann");
    expect(await alpha.manager.sendToConnection(id, { type: "notification", message: "Your turn!" })).toBe("delivered");
    expect(await beta.manager.sendToConnection(id, "sent")).toBe("sent");
    expect(await beta.manager.sendToConnection(id, "confirmed", { confirmMs: 5_000 })).toBe("delivered");
    expect(socket.messages).toEqual([{ type: "notification", message: "Your turn!" }, "sent", "confirmed"]);
    await alpha.manager.removeConnection(id);
    expect(await alpha.manager.sendToConnection(id, "x")).toBe("not-found");
    expect(await beta.manager.sendToConnection(id, "x", { confirmMs: 5_000 })).toBe("not-found");
    expect(await beta.manager.sendToConnection("nowhere.aaaa00", "x")).toBe("not-found");
  });

  it("reach all connections of a user", async () => {
    const cluster = new TestCluster();
    const [alpha, beta] = [await cluster.start("alpha"), await cluster.start("beta")];
    const [phone, desk] = [await alpha.connect("ann"), await beta.connect("ann")];
    expect(await alpha.manager.sendToUser("ann", 1)).toBe("delivered");
    await expect.poll(() => [phone.socket.messages, desk.socket.messages]).toEqual([[1], [1]]);
    expect(await beta.manager.sendToUser("ann", 2, { confirmMs: 5_000 })).toBe("delivered");
    expect([phone.socket.messages, desk.socket.messages]).toEqual([
      [1, 2],
      [1, 2],
    ]);
    expect(await alpha.manager.sendToUser("nobody", 1)).toBe("not-found");
  });
});

describe("statistics and health", () => {
  it("count all servers, and name each with its address and its last heartbeat", async () => {
    const cluster = new TestCluster();
    const alpha = await cluster.start("alpha", {
      serverHost: "one.example.com",
      serverPort: 3001,
      heartbeatInterval: 100,
      heartbeatTTL: 3,
    });
    const beta = await cluster.start("beta", { heartbeatInterval: 100, heartbeatTTL: 3 });
    await alpha.connect("ann", "lobby", "hall");
    await beta.connect("bob", "lobby");
    await beta.connect("cem");
    // The counts of other servers arrive with their next heartbeats; this server's own count is
    // current.
    await expect
      .poll(async () => (await alpha.manager.getDistributedStats()).serverStats.map((each) => each.activeConnections))
      .toEqual([1, 2]);
    const stats = await alpha.manager.getDistributedStats();
    expect(stats).toMatchObject({ totalConnections: 3, totalRooms: 2, activeServers: 2, localConnections: 1 });
    expect(stats.serverStats).toMatchObject([
      { serverId: "alpha", host: "one.example.com", port: 3001 },
      { serverId: "beta", host: "localhost", port: 0 },
    ]);
    for (const server of await beta.manager.getActiveServers()) {
      expect(Math.abs(Date.now() - server.lastHeartbeat)).toBeLessThan(3_000);
    }
  });

  it("show a stale heartbeat by its age, until the lease ends and the server is active no more", async () => {
    const cluster = new TestCluster();
    const alpha = await cluster.start("alpha");
    await deadServer(cluster, "silent", 90_000, 1);
    cluster.aheadMs = 61_000;
    const now = Date.now() + cluster.aheadMs;
    const ages = (await alpha.manager.getActiveServers()).map((each) => [
      each.serverId,
      now - each.lastHeartbeat > 60_000,
    ]);
    expect(ages).toContainEqual(["silent", true]);
    cluster.aheadMs = 90_001;
    expect((await alpha.manager.getActiveServers()).map((each) => each.serverId)).not.toContain("silent");
  });

  it("are ready from the start to the shutdown, and not if the link is down", async () => {
    const cluster = new TestCluster();
    const [alpha, beta] = [await cluster.start("alpha"), await cluster.start("beta")];
    expect(alpha.manager.isReady()).toBe(true);
    const ending = alpha.manager.shutdown();
    expect(alpha.manager.isReady()).toBe(false);
    await ending;
    await beta.store.close();
    expect(beta.manager.isReady()).toBe(false);
  });
});

/**
 * Creates a server that acquired its lease, joined its connections to a room, and then stopped without
 * cleaning up.
 */
async function deadServer(cluster: TestCluster, serverId: string, leaseMs: number, connections: number) {
  const store = await cluster.store();
  const ids = createConnectionIdSource({ serverId });
  const { incarnation, partitionBits } = ids;
  const lease = await store.servers.acquire({ serverId, incarnation, partitionBits, host: "h", port: 1 }, leaseMs);
  for (let i = 0; i < connections; i++) {
    const connection = { connectionId: ids.next(), userId: `lost-${i}` };
    await store.connections.put(lease, [{ ...connection, connectedAt: 1, lastSeen: 1, rooms: ["lobby"] }]);
    await store.users.add(lease, [connection]);
    await store.rooms.join(lease, "lobby", [connection]);
  }
}

describe("the failure of a server", () => {
  it("is handled by hand: its connections go from rooms and registry, and doing it again changes nothing", async () => {
    const cluster = new TestCluster();
    // With these settings, no server cleans up automatically during the test.
    const alpha = await cluster.start("alpha", { heartbeatInterval: 3_600_000, heartbeatTTL: 86_400 });
    const here = await witness(alpha);
    await deadServer(cluster, "dead", 5_000, 3);
    expect(await codeOf(alpha.manager.handleServerFailure("dead"))).toBe("server-alive");
    expect(await codeOf(alpha.manager.handleServerFailure("alpha"))).toBe("server-alive");
    expect(await alpha.store.counts.of("connections")).toBe(4);
    cluster.aheadMs = 5_001;
    expect(await alpha.manager.handleServerFailure("dead")).toBe(3);
    expect(await alpha.manager.handleServerFailure("dead")).toBe(0);
    expect(await alpha.manager.handleServerFailure("never-heard-of")).toBe(0);
    expect(await alpha.store.counts.of("connections")).toBe(1);
    expect((await alpha.store.rooms.members("lobby", { limit: 10 })).items).toEqual([
      { connectionId: here.id, userId: "witness" },
    ]);
    await expect.poll(() => here.departures().length).toBe(3);
    expect(here.departures()).toMatchObject([0, 1, 2].map((i) => ({ type: "user-disconnected", userId: `lost-${i}` })));
  });
});

describe("stale connections", () => {
  it("are closed after the timeout, looked for once a cleanup interval", async () => {
    const alpha = await new TestCluster().start("alpha", { staleConnectionTimeout: 60_000, cleanupInterval: 100 });
    const [silent, lively] = [await alpha.connect("ann", "lobby"), await alpha.connect("bob", "lobby")];
    const held = alpha.local.held.get(silent.id);
    if (held !== undefined) held.lastSeen -= 60_001;
    await expect.poll(() => silent.socket.closedFor).toBe("stale");
    await expect.poll(() => alpha.store.counts.of("connections")).toBe(1);
    expect(lively.socket.isOpen).toBe(true);
  });
});

describe("the shutdown", () => {
  it("closes the sockets with going-away, withdraws everything, and keeps a store that was given", async () => {
    const cluster = new TestCluster();
    const [alpha, beta] = [await cluster.start("alpha"), await cluster.start("beta")];
    const sockets: Socket[] = [];
    for (let i = 0; i < 120; i++) sockets.push((await alpha.connect(`user-${i}`, "lobby")).socket);
    expect(alpha.manager.shutdown()).toBe(alpha.manager.shutdown());
    await alpha.manager[Symbol.asyncDispose]();
    expect(new Set(sockets.map((socket) => socket.closedFor))).toEqual(new Set(["going-away"]));
    expect(await alpha.store.counts.of("connections")).toBe(0);
    expect(await alpha.store.counts.of("rooms")).toBe(0);
    expect((await beta.manager.getActiveServers()).map((each) => each.serverId)).toEqual(["beta"]);
    expect(alpha.store.link.state).toBe("in-sync");
    expect(alpha.errors).toEqual([]);
  });

  it("is followed by nothing: calls fail with `closed`, and taking away is a no-op", async () => {
    const alpha = await new TestCluster().start("alpha");
    const { manager } = alpha;
    const { id } = await alpha.connect("ann", "lobby");
    await manager.shutdown();
    const later: CallTable<DistributedConnectionManager<Socket>, "leaveRoom" | "removeConnection" | "shutdown"> = {
      registerConnection: () => manager.registerConnection(new Socket(), "ann"),
      joinRoom: () => manager.joinRoom(id, "lobby"),
      broadcastToRoom: () => manager.broadcastToRoom("lobby", 1),
      sendToConnection: () => manager.sendToConnection(id, 1),
      sendToUser: () => manager.sendToUser("ann", 1),
      getDistributedStats: () => manager.getDistributedStats(),
      getActiveServers: () => manager.getActiveServers(),
      handleServerFailure: () => manager.handleServerFailure("beta"),
    };
    expect(await callsNotRejectedWith("closed", later)).toEqual({});
    expect(await codeOf(manager.leaveRoom(id, "lobby"))).toBe("done");
    expect(await codeOf(manager.removeConnection(id))).toBe("done");
    expect(await codeOf(manager.removeConnection("elsewhere.aaaa00"))).toBe("done");
  });

  it("comes by itself if another process has taken the server id", async () => {
    const cluster = new TestCluster();
    const alpha = await cluster.start("alpha", { heartbeatInterval: 100, heartbeatTTL: 1 });
    const { socket } = await alpha.connect("ann");
    // The lease expires, is cleaned up, and is taken by another process before this server's next
    // heartbeat.
    const store = await cluster.store();
    cluster.aheadMs = 1_500;
    const claim = await store.upkeep.servers.claim({ serverId: "alpha" }, "beta.bbbb", 10_000);
    if (claim === undefined) throw new Error("There was nothing to claim.");
    await store.servers.unregister(claim);
    await store.servers.acquire(
      { serverId: "alpha", incarnation: "zzzz", partitionBits: 0, host: "h", port: 1 },
      60_000,
    );
    await expect.poll(() => socket.closedFor).toBe("going-away");
    expect(alpha.errors).toContainEqual({
      error: expect.objectContaining({ code: "server-id-taken" }),
      stage: "lease",
    });
    expect(alpha.manager.isReady()).toBe(false);
    expect(await codeOf(alpha.manager.getActiveServers())).toBe("closed");
  });

  it("follows a start that failed, which leaves nothing", async () => {
    const cluster = new TestCluster();
    await cluster.start("alpha");
    const store = await cluster.store();
    expect(await codeOf(createDistributedConnectionManager(new LocalSockets(), { store, serverId: "alpha" }))).toBe(
      "server-id-taken",
    );
    expect((await store.servers.snapshot()).living.length).toBe(1);
    const unstarted = createMemoryStore();
    onTestFinished(() => unstarted.close());
    expect(await codeOf(createDistributedConnectionManager(new LocalSockets(), { store: unstarted }))).not.toBe("done");
  });
});
