import { createStoreHarness } from "@cm/contract-tests/store";
import { createRedisStore } from "@cm/redis-store";
import { askRedis, eventually, freshPrefix, keysUnder, startRedis } from "@cm/test-kit";
import { describe, expect, inject, it, onTestFinished } from "vitest";
import { RoomRecorder, UserRecorder } from "./change-recorder.fixture.js";
import { type TestServer, TestServers } from "./test-servers.fixture.js";

/** Reads the users of a watch and the members of a room again. */
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
  it("reads again after its subscriptions were cut off in the middle of changes", async () => {
    // Use a separate Redis, because every client is disconnected.
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

  it("ends with the present members after the data was lost, even if departures were not announced", async () => {
    const url = inject("redisUrl");
    const prefix = freshPrefix();
    const servers = new TestServers(
      await createStoreHarness({ createStore: () => createRedisStore({ url, prefix, onError: () => undefined }) }),
    );
    onTestFinished(() => servers.close());
    const [a, b] = [
      await servers.start("a"),
      await servers.start("b", { presence: { recheckIntervalMs: 1_000, restoreWithinMs: 1_500 } }),
    ];
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

  it("reports no user as offline that the store lost, until the user's server had time to write it again", async () => {
    const url = inject("redisUrl");
    const prefix = freshPrefix();
    const servers = new TestServers(
      await createStoreHarness({ createStore: () => createRedisStore({ url, prefix, onError: () => undefined }) }),
    );
    onTestFinished(() => servers.close());
    // `slow` holds all users and detects the loss late; `quick` makes changes before that.
    const slow = await servers.start("slow", { membership: { heartbeatIntervalMs: 2_000 } });
    const quick = await servers.start("quick", { presence: { recheckIntervalMs: 1_000, restoreWithinMs: 4_000 } });
    const userIds = Array.from({ length: 150 }, (_, index) => `user-${index}`);
    for (const userId of userIds) await slow.connect(userId);
    const [named, all] = [new UserRecorder(), new UserRecorder()];
    await quick.presence.watchUsers(userIds, named);
    await quick.presence.watchAll(all);
    const keys = (await keysUnder(url, `${prefix}:`)).filter((key) => !key.endsWith(":layout"));
    await askRedis(Number(/:(\d+)/.exec(url)?.[1]), "DEL", ...keys);
    for (let index = 0; index < 150; index++) await quick.connect(`new-${index}`);
    await eventually(() => expect(slow.membership.stats().reprojections).toBe(1));
    await eventually(async () => expect(await slow.store.counts.of("connections")).toBe(300));
    // Wait until all waiting times for missing users have passed: from then on, watchers have the actual
    // state.
    await eventually(async () => {
      expect(all.derived.size).toBe(300);
      expect([...all.presences.values()].every(({ version }) => version > 0)).toBe(true);
    });
    for (const recorder of [named, all]) {
      const gone = recorder.snapshots
        .flat()
        .filter(({ userId, status }) => userId.startsWith("user-") && status === "offline");
      expect(gone).toEqual([]);
      expect(recorder.kinds.filter((kind) => kind === "offline")).toEqual([]);
    }
  });
});
