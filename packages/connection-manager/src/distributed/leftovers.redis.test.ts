import { freshPrefix, keysLeftUnder } from "@cm/test-kit";
import { describe, expect, inject, it, onTestFinished } from "vitest";
import type { DistributedConnectionManager } from "./distributed-connection-manager.js";
import { LocalSockets, Socket } from "./local-sockets.fixture.js";
import { createDistributedConnectionManager } from "./node-connection-manager.js";

const ROOMS = ["lobby", "hall", "room:x", "{tag}", "ä 🎲"];
const USERS = ["ann", "bob", "cem", "dan"];

/** Keys that expire by themselves after a minute: requests to announce a room's changes. */
const ANNOUNCEMENT = /:roster:/;

describe.each([
  ["a single Redis", () => inject("redisUrl")],
  ["a Cluster", () => inject("redisClusterUrl")],
])("on %s", (_, redisUrl) => {
  it("servers that come, churn and go leave no key behind", async () => {
    const prefix = freshPrefix();
    const url = redisUrl();
    const left = async (): Promise<string[]> =>
      (await keysLeftUnder(url, `${prefix}:`)).filter((key) => !ANNOUNCEMENT.test(key));
    const managers: DistributedConnectionManager<Socket>[] = [];
    for (const serverId of ["one", "two", "three"]) {
      const manager = await createDistributedConnectionManager(new LocalSockets(), { redisUrl: url, prefix, serverId });
      onTestFinished(() => manager.shutdown());
      managers.push(manager);
    }
    const empty = await left();
    // Wait until every link to the masters of the Cluster has proved that messages arrive.
    await expect.poll(() => managers.every((manager) => manager.isReady()), { timeout: 10_000 }).toBe(true);

    // All connections act at the same time. The actions of each depend only on its number.
    const live: Socket[] = [];
    await Promise.all(
      Array.from({ length: 120 }, async (_unused, number) => {
        const manager = managers[number % 3];
        const socket = new Socket();
        const id = (await manager?.registerConnection(socket, USERS[number % 4] ?? "")) ?? "";
        const rooms = ROOMS.filter((_room, index) => (number >> index) % 2 === 0);
        await Promise.all(rooms.map((room) => manager?.joinRoom(id, room)));
        await manager?.broadcastToRoom(ROOMS[number % 5] ?? "", { number });
        if (number % 4 === 0) await Promise.all(rooms.map((room) => managers[(number + 1) % 3]?.leaveRoom(id, room)));
        if (number % 4 === 1) await manager?.removeConnection(id);
        else if (number % 4 === 2) socket.close();
        else live.push(socket);
      }),
    );
    const [first] = managers;
    // A quarter of the connections has left its rooms and stays connected, and a quarter stays in its
    // rooms.
    await expect.poll(async () => (await first?.getDistributedStats())?.totalConnections, { timeout: 10_000 }).toBe(60);
    // The connections that stayed have numbers whose two lowest bits are set, so they are not in the
    // first two rooms.
    expect((await first?.getDistributedStats())?.totalRooms).toBe(ROOMS.length - 2);
    // The connections of the other two servers are removed with their servers.
    await managers[1]?.shutdown();
    await managers[2]?.shutdown();
    for (const socket of live) socket.close();
    // Users are offline after a grace period of 5 s; then their keys are gone.
    const ofUsersAndRooms = async () => (await left()).filter((key) => /\{[ur]\./.test(key));
    await expect.poll(ofUsersAndRooms, { timeout: 20_000, interval: 100 }).toEqual([]);
    expect(await first?.getDistributedStats()).toMatchObject({ totalConnections: 0, totalRooms: 0, activeServers: 1 });
    await first?.shutdown();
    await expect.poll(left, { timeout: 10_000 }).toEqual(empty.filter((key) => key.endsWith(":layout")));
  });
});
