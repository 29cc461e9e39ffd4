import { freshPrefix, keysUnder } from "@cm/test-kit";
import { describe, expect, inject, it } from "vitest";
import type { DistributedStats, ServerRecord } from "./distributed-connection-manager.js";
import {
  type Client,
  HEARTBEAT_INTERVAL_MS,
  HEARTBEAT_TTL_S,
  type Message,
  type ServerProcess,
  startServerProcess,
} from "./server-process.fixture.js";

const WAIT = { timeout: 15_000, interval: 20 } as const;

/** Starts three servers, each in its own process, on one Redis. */
async function startCluster(prefix = freshPrefix()): Promise<[ServerProcess, ServerProcess, ServerProcess]> {
  return Promise.all([
    startServerProcess("server-1", prefix),
    startServerProcess("server-2", prefix),
    startServerProcess("server-3", prefix),
  ]);
}

/** The users whose departures a client has received, in alphabetical order. */
function lostUsers({ messages }: Client): unknown[] {
  return messages
    .filter(({ type }) => type === "user-disconnected")
    .map(({ userId }) => userId)
    .sort();
}

/** Waits until a room's member receives departures: a join starts watching in the background. */
async function hearsDepartures(member: Client, room: string, server: ServerProcess): Promise<void> {
  await expect
    .poll(async () => {
      const probe = await server.connect("probe");
      await probe.call("joinRoom", probe.connectionId, room);
      await probe.close();
      return lostUsers(member).length;
    }, WAIT)
    .toBeGreaterThan(0);
}

describe("three servers of one Redis, each a process of its own", () => {
  it("deliver a user's message to exactly the members of its room, on all servers", async () => {
    const servers = await startCluster();
    const members: Client[] = [];
    for (const [index, server] of servers.entries()) members.push(await server.connect(`user-${index + 1}`));
    const outsider = await servers[2].connect("outsider");
    const [first, second, third] = members as [Client, Client, Client];
    for (const member of members) await member.call("joinRoom", member.connectionId, "room-x");
    const message = { type: "chat", from: "user-1", text: "hello, äöü" };
    await first.call("broadcastToRoom", "room-x", message);
    for (const member of members) await expect.poll(() => member.messages, WAIT).toEqual([message]);

    // Messages of a room have the same order on all servers, even if several servers send at the same
    // time.
    await Promise.all(
      members.flatMap((member, from) =>
        [0, 1, 2, 3, 4].map((number) => member.call("broadcastToRoom", "room-x", { from, number })),
      ),
    );
    await first.call("broadcastToRoom", "room-x", { end: true }, { except: [second.connectionId] });
    for (const member of [first, third]) await expect.poll(() => member.messages.length, WAIT).toBe(17);
    expect(first.messages).toEqual(third.messages);
    expect(second.messages).toEqual(first.messages.slice(0, -1));
    expect(outsider.messages).toEqual([]);
    for (const from of [0, 1, 2]) {
      expect(first.messages.filter((each) => each.from === from).map(({ number }) => number)).toEqual([0, 1, 2, 3, 4]);
    }
  });

  it("route a direct message to the server that holds the connection", async () => {
    const [one, two, three] = await startCluster();
    const target = await one.connect("user-1");
    const sender = await two.connect("user-2");
    const bystander = await three.connect("user-1");
    const message = { type: "notification", message: "Your turn!" };
    expect(await sender.call("sendToConnection", target.connectionId, message)).toBe("sent");
    expect(await sender.call("sendToConnection", target.connectionId, message, { confirmMs: 10_000 })).toBe(
      "delivered",
    );
    await expect.poll(() => target.messages, WAIT).toEqual([message, message]);
    expect(bystander.messages).toEqual([]);
    expect(await sender.call("sendToUser", "user-1", { to: "all devices" }, { confirmMs: 10_000 })).toBe("delivered");
    await expect.poll(() => bystander.messages, WAIT).toEqual([{ to: "all devices" }]);
    await target.close();
    await expect
      .poll(() => sender.call("sendToConnection", target.connectionId, message, { confirmMs: 10_000 }), WAIT)
      .toBe("not-found");
    await expect(sender.call("sendToConnection", "odd", message)).rejects.toThrow("id-invalid");
  });

  it("detect that one was killed, clean up after it, and notify the rooms once", async () => {
    const prefix = freshPrefix();
    const [one, two, three] = await startCluster(prefix);
    const near = await one.connect("near");
    const far = await three.connect("far");
    const lost = ["ann", "bob", "cem"];
    const doomed: Client[] = [];
    for (const user of lost) doomed.push(await two.connect(user));
    // This user also has a connection on a server that stays alive, and so does not leave the room.
    const survivor = [await two.connect("sue"), await three.connect("sue")];
    for (const each of [near, far, ...doomed, ...survivor]) {
      await each.call("joinRoom", each.connectionId, "room-x");
    }
    await hearsDepartures(near, "room-x", one);
    await hearsDepartures(far, "room-x", three);
    await expect
      .poll(async () => ((await near.call("getDistributedStats")) as DistributedStats).totalConnections, WAIT)
      .toBe(7);
    const before = (await near.call("getDistributedStats")) as DistributedStats;
    expect(before).toMatchObject({ totalRooms: 1, activeServers: 3, localConnections: 1 });
    await expect(near.call("handleServerFailure", "server-2")).rejects.toThrow("server-alive");

    const killedAt = performance.now();
    await two.process.kill();
    const isDone = async () => ((await near.call("getDistributedStats")) as DistributedStats).totalConnections === 3;
    await expect.poll(isDone, { timeout: 15_000, interval: 50 }).toBe(true);
    const tookMs = performance.now() - killedAt;
    // The lease was renewed at most one interval before the kill, and expired leases are checked once
    // per interval.
    expect(tookMs).toBeGreaterThan(HEARTBEAT_TTL_S * 1_000 - HEARTBEAT_INTERVAL_MS - 500);
    // Allow a second on top of lease and heartbeat for a busy machine.
    expect(tookMs).toBeLessThan(HEARTBEAT_TTL_S * 1_000 + HEARTBEAT_INTERVAL_MS + 1_000);

    for (const member of [near, far]) {
      await expect.poll(() => lostUsers(member).filter((user) => user !== "probe"), WAIT).toEqual(lost);
    }
    expect((await near.call("getDistributedStats")) as DistributedStats).toMatchObject({
      totalConnections: 3,
      totalRooms: 1,
      activeServers: 2,
    });
    // The reaper unregisters the dead server last. Until then, the reaper may still be working, or may be
    // called again.
    await expect.poll(() => keysUnder(inject("redisUrl"), `${prefix}:{servers}:server-2`), WAIT).toEqual([]);
    // While the dead server's lease has expired and the server is still registered, its users may still
    // be found, so this is checked afterwards.
    expect(await near.call("sendToConnection", doomed[0]?.connectionId, { x: 1 })).toBe("not-found");
    expect(await near.call("sendToUser", "ann", { x: 1 })).toBe("not-found");
    // Clean up manually afterwards, from both servers: nothing is left to do, and no member is notified
    // again.
    for (const each of [near, far]) expect(await each.call("handleServerFailure", "server-2")).toBe(0);
    await near.call("broadcastToRoom", "room-x", { end: true });
    for (const member of [near, far]) {
      await expect.poll(() => member.messages.at(-1), WAIT).toEqual({ end: true });
      expect(lostUsers(member).filter((user) => user !== "probe")).toEqual(lost);
      const about: Message[] = member.messages.filter(({ userId }) => lost.includes(String(userId)));
      expect(about).toMatchObject(about.map(() => ({ roomId: "room-x", timestamp: expect.any(Number) })));
      expect(about.map(({ connectionId }) => connectionId).sort()).toEqual(
        doomed.map((each) => each.connectionId).sort(),
      );
    }
    expect(survivor[1]?.isOpen).toBe(true);
  });

  it("show by the age of its heartbeat that one is stuck, as long as its lease lives", async () => {
    const [one, two] = await startCluster();
    const client = await one.connect("ann");
    const ageOf = async (serverId: string): Promise<number | undefined> => {
      const servers = (await client.call("getActiveServers")) as ServerRecord[];
      const server = servers.find((each) => each.serverId === serverId);
      return server === undefined ? undefined : Date.now() - server.lastHeartbeat;
    };
    expect(await ageOf("server-2")).toBeLessThan(HEARTBEAT_INTERVAL_MS + 1_000);
    two.process.pause();
    await expect.poll(() => ageOf("server-2"), { timeout: 5_000, interval: 20 }).toBeGreaterThan(2_000);
    await expect.poll(() => ageOf("server-2"), WAIT).toBeUndefined();
    // The server finds that its lease is lost, acquires a new one, and is active again.
    two.process.resume();
    await expect.poll(() => ageOf("server-2"), WAIT).toBeDefined();
    const again = await two.connect("bob");
    await expect.poll(() => again.call("isReady"), WAIT).toBe(true);
  });

  it("leave nothing behind when they are stopped", async () => {
    const [one, two] = await startCluster();
    const near = await one.connect("near");
    const there = await two.connect("there");
    for (const each of [near, there]) await each.call("joinRoom", each.connectionId, "room-x");
    await hearsDepartures(near, "room-x", one);
    expect(await two.process.stop(10_000)).toMatchObject({ code: 0 });
    expect(there.isOpen).toBe(false);
    await expect.poll(() => lostUsers(near).filter((user) => user !== "probe"), WAIT).toEqual(["there"]);
    await expect
      .poll(() => near.call("getDistributedStats"), WAIT)
      .toMatchObject({ totalConnections: 1, totalRooms: 1, activeServers: 2 });
  });
});
