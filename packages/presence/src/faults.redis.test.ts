import { createRedisStore } from "@cm/redis-store";
import { askRedis, eventually, freshPrefix, keysUnder, startRedis } from "@cm/test-kit";
import { createStoreHarness } from "@cm/test-kit/contracts";
import { describe, expect, inject, it, onTestFinished } from "vitest";
import { RoomRecorder, UserRecorder } from "./recorder.fixture.js";
import { type TestServer, TestServers } from "./servers.fixture.js";

/** How users of a watch and members of a room are, read anew. */
async function readAnew({ presence }: TestServer, userIds: readonly string[], room: string) {
  const users = await presence.getMany(userIds);
  const roster = await presence.roster(room, { limit: 1_000 });
  return {
    users: new Map(
      users
        .filter(({ connections }) => connections.length > 0)
        .map(({ userId, connections }) => [
          userId,
          Object.fromEntries(connections.map(({ connectionId, metadata }) => [connectionId, metadata])),
        ]),
    ),
    members: Object.fromEntries(roster.items.map(({ connectionId, metadata }) => [connectionId, metadata])),
  };
}

describe("presence, when Redis has faults", () => {
  it("reads anew after its subscriptions were cut off in the middle of changes", async () => {
    // A Redis of its own: the cut hits everybody.
    const redis = await startRedis();
    const servers = new TestServers(
      await createStoreHarness({
        createStore: () => createRedisStore({ url: redis.url, prefix: "cm", onError: () => undefined }),
        cleanUp: () => redis.close(),
      }),
    );
    onTestFinished(() => servers.close());
    const [a, b] = [await servers.start("a"), await servers.start("b")];
    const userIds = Array.from({ length: 20 }, (_, index) => `user-${index}`);
    const [users, room] = [new UserRecorder(), new RoomRecorder()];
    await b.presence.watchUsers(userIds, users);
    await b.presence.watchRoom("lobby", room);
    const open: string[] = [];
    for (let round = 0; round < 30; round++) {
      if (round % 5 === 2) await askRedis(redis.port, "CLIENT", "KILL", "TYPE", "pubsub");
      for (const userId of userIds.slice(round % 10, (round % 10) + 5)) {
        const id = await a.connect(userId, { round });
        await a.membership.join(id, "lobby");
        open.push(id);
      }
      for (const id of open.splice(0, 3)) await a.membership.close(id);
    }
    const fresh = await readAnew(a, userIds, "lobby");
    expect(fresh.users.size).toBeGreaterThan(5);
    await eventually(() => {
      expect(users.derived).toEqual(fresh.users);
      expect(room.derived).toEqual(fresh.members);
    });
    expect(users.snapshots.length).toBeGreaterThan(1);
    expect(new Set(users.changes.map(({ version, userId }) => `${userId} ${version}`)).size).toBe(users.changes.length);
  });

  it("ends with who is there after the data was lost, though nobody announced who went meanwhile", async () => {
    const url = inject("redisUrl");
    const prefix = freshPrefix();
    const servers = new TestServers(
      await createStoreHarness({ createStore: () => createRedisStore({ url, prefix, onError: () => undefined }) }),
    );
    onTestFinished(() => servers.close());
    const [a, b] = [await servers.start("a"), await servers.start("b", { presence: { recheckIntervalMs: 1_000 } })];
    const users = new UserRecorder();
    const stays = await a.connect("stays", 1);
    const goes = await a.connect("goes", 2);
    await b.presence.watchUsers(["stays", "goes"], users);
    const keys = (await keysUnder(url, `${prefix}:`)).filter((key) => !key.endsWith(":layout"));
    const port = Number(/:(\d+)/.exec(url)?.[1]);
    await askRedis(port, "DEL", ...keys);
    await a.membership.close(goes);
    await eventually(() => {
      expect([...users.derived]).toEqual([["stays", { [stays]: 1 }]]);
      expect(users.presences.get("goes")?.status).toBe("offline");
    });
    expect(users.changes.filter(({ userId }) => userId === "stays")).toEqual([]);
    expect(users.presences.get("stays")?.status).toBe("online");
    await eventually(async () => expect((await readAnew(a, ["stays"], "lobby")).users.size).toBe(1));
  });
});
