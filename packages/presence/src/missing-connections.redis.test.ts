import { createStoreHarness } from "@cm/contract-tests/store";
import { createRedisStore } from "@cm/redis-store";
import { eventually, STORE_LOSSES, startRedis } from "@cm/test-kit";
import { describe, expect, it } from "vitest";
import { RoomRecorder, UserRecorder } from "./change-recorder.fixture.js";
import { TestServers } from "./test-servers.fixture.js";

/**
 * How long a connection that a read lacks counts as present. Its owner must write it again within this time, even
 * on a busy machine. If it does not, watchers are notified that the connection is gone.
 */
const RESTORE_WITHIN_MS = 12_000;

/** Watchers are notified of a departure after RESTORE_WITHIN_MS, or later on a busy machine. */
const PATIENCE = { timeoutMs: 5 * RESTORE_WITHIN_MS };

describe.concurrent("watchers of users and rooms", () => {
  it.for(Object.entries(STORE_LOSSES))(
    "are told that nobody is gone who is there, and who is gone, after %s",
    { timeout: 12 * RESTORE_WITHIN_MS },
    async ([_name, fault], { onTestFinished }) => {
      const redis = await startRedis();
      const servers = new TestServers(
        await createStoreHarness({
          createStore: () => createRedisStore({ url: redis.url, prefix: "cm", onError: () => undefined }),
          cleanUp: () => redis.close(),
        }),
      );
      onTestFinished(() => servers.close());
      const { presence } = await servers.start("b", {
        presence: { recheckIntervalMs: 1_000, restoreWithinMs: RESTORE_WITHIN_MS },
      });
      const a = await servers.start("a", { membership: { heartbeatIntervalMs: 1_000 } });
      const [stays, goes] = [await a.connect("stays"), await a.connect("goes")];
      for (const id of [stays, goes]) await a.membership.join(id, "lobby");
      const [named, all, room] = [new UserRecorder(), new UserRecorder(), new RoomRecorder()];
      const watches = await Promise.all([
        presence.watchUsers(["stays", "goes"], named),
        presence.watchAll(all),
        presence.watchRoom("lobby", room),
      ]);
      expect(room.derived).toEqual({ [stays]: undefined, [goes]: undefined });

      await fault(redis);
      void a.membership.close(goes);
      // Refreshes that fail while Redis is unavailable are tried again.
      await Promise.allSettled(watches.map((watch) => watch.refresh()));
      await eventually(() => {
        for (const { derived } of [named, all]) expect([...derived]).toEqual([["stays", { [stays]: undefined }]]);
        expect(room.derived).toEqual({ [stays]: undefined });
      }, PATIENCE);
      expect(room.snapshots.filter((members) => !members.some(({ connectionId }) => connectionId === stays))).toEqual(
        [],
      );
      expect(room.changes.filter(({ connectionId }) => connectionId !== goes)).toEqual([]);
      for (const { snapshots, changes } of [named, all]) {
        expect(snapshots.flat().filter(({ userId, status }) => userId === "stays" && status === "offline")).toEqual([]);
        expect(changes.filter(({ userId }) => userId === "stays")).toEqual([]);
      }
      // The owner has written the connection again, so the next read contains it.
      await eventually(async () => {
        const { items } = await presence.roster("lobby", { limit: 10 });
        expect(items.map(({ connectionId }) => connectionId)).toEqual([stays]);
      }, PATIENCE);
    },
  );
});
