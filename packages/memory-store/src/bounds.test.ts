import { createConnectionIdSource, type Lease, type Store } from "@cm/protocol";
import { describe, expect, it } from "vitest";
import { ChannelTable } from "./bus/channel-table.js";
import { createMemoryHub, createMemoryStore } from "./index.js";
import { namespaceOf } from "./memory-hub.js";
import type { MemoryStoreOptions } from "./options.js";
import { RosterFeeds } from "./rooms/roster-feeds.js";
import { ReapedServers } from "./servers/reaped-servers.js";
import { RecentlyGone } from "./servers/recently-gone.js";

const AT_ONCE = { graceMs: 0 };
const DAY_MS = 86_400_000;
const LEASE_MS = 100 * DAY_MS;

/** Starts a store with a clock controlled by the test, and a server on it. */
async function open(options: MemoryStoreOptions = {}) {
  const clock = { nowMs: 1_700_000_000_000 };
  const hub = createMemoryHub({ now: () => clock.nowMs });
  const store: Store = createMemoryStore({ ...options, hub });
  await store.start();
  const ids = createConnectionIdSource({ serverId: "alpha" });
  const { serverId, incarnation, partitionBits } = ids;
  const registration = { serverId, incarnation, partitionBits, host: "127.0.0.1", port: 1 };
  const lease: Lease = await store.servers.acquire(registration, LEASE_MS);
  const visit = async (userId: string) => {
    const connection = { userId, connectionId: ids.next() };
    await store.users.add(lease, [connection]);
    await store.users.remove(lease, [connection], AT_ONCE);
  };
  const lastSeen = async (userId: string) => (await store.users.states([userId]))[0]?.lastSeen;
  return { store, clock, ids, lease, visit, lastSeen, data: namespaceOf(hub, "cm") };
}

describe("data that a memory store keeps after its owners left", () => {
  it("is when a user was last seen, for a day by default, also if nobody else comes and goes", async () => {
    const { clock, visit, lastSeen } = await open();
    await visit("ann");
    const { nowMs } = clock;
    clock.nowMs += DAY_MS - 1;
    expect(await lastSeen("ann")).toBe(nowMs);
    clock.nowMs += 1;
    expect(await lastSeen("ann")).toBeUndefined();
  });

  it("is a room's latest messages for as long as they may be asked for, and its place for a day", async () => {
    const { store, clock, data } = await open({ historyTtlMs: 1000, historyMaxMessages: 3 });
    const { history } = store.bus;
    if (history === undefined) throw new Error("A memory store keeps histories.");
    const append = (room: string, sequence: number) =>
      history.append(room, {
        before: Buffer.from("{"),
        after: Buffer.from("}"),
        sender: { origin: "alpha", epoch: 1, sequence },
      });
    const begin = (await history.since("lobby")).top;
    const kept = async () => (await history.since("lobby", begin, 10)).entries.map(({ offset }) => offset);
    for (let i = 1; i <= 5; i++) await append("lobby", i);
    expect(await kept()).toEqual([3, 4, 5]);
    clock.nowMs += 999;
    await append("lobby", 6);
    expect(await kept()).toEqual([4, 5, 6]);
    clock.nowMs += 1;
    await append("lobby", 7);
    expect(await kept()).toEqual([6, 7]);
    clock.nowMs += 1000;
    expect(await kept()).toEqual([]);
    expect((await history.since("lobby")).top).toEqual({ ...begin, offset: 7 });
    clock.nowMs += DAY_MS;
    for (let i = 0; i < 10; i++) await history.since(`other-${i}`);
    expect(data?.history.size).toBe(10);
    expect((await history.since("lobby")).top.offset).toBe(0);
  });

  it("is dropped as others leave", async () => {
    const { clock, visit, data } = await open({ lastSeenTtlMs: 1000 });
    for (let i = 0; i < 500; i++) {
      await visit(`user-${i}`);
      clock.nowMs += 100;
    }
    expect(data?.users.remembered).toBeLessThanOrEqual(10);
  });

  it("is limited to the users that left last", async () => {
    const { visit, lastSeen, data } = await open({ lastSeenMax: 3 });
    for (const userId of ["ann", "bob", "cat", "ann", "dan", "eve"]) await visit(userId);
    expect(data?.users.remembered).toBe(3);
    const seen = await Promise.all(["ann", "bob", "cat", "dan", "eve"].map(lastSeen));
    expect(seen.map((at) => at !== undefined)).toEqual([true, false, false, true, true]);
  });

  it("is empty if last-seen times are disabled", async () => {
    for (const options of [{ lastSeenTtlMs: 0 }, { lastSeenMax: 0 }]) {
      const { visit, lastSeen, data } = await open(options);
      await visit("ann");
      expect([await lastSeen("ann"), data?.users.remembered]).toEqual([undefined, 0]);
    }
  });

  it("is a room's record for its time to live, renewed by activity", async () => {
    const { store, clock, ids, lease } = await open({ roomRecordTtlMs: 1000 });
    const member = { connectionId: ids.next(), userId: "ann" };
    const rejoin = () => store.rooms.join(lease, "game", [member], { record: "1" });
    await rejoin();
    const set = async () => {
      const version = (await store.roomRecords.get("game"))?.version ?? 0;
      await store.roomRecords.compareAndSet("game", version, "2");
    };
    for (const act of [rejoin, () => store.roomRecords.get("game", { touch: true }), set]) {
      clock.nowMs += 999;
      await act();
    }
    clock.nowMs += 999;
    expect(await store.roomRecords.get("game")).toMatchObject({ value: "2" });
    clock.nowMs += 1;
    expect([await store.roomRecords.get("game"), await store.counts.of("roomRecords")]).toEqual([undefined, 0]);
    await rejoin();
    expect(await store.roomRecords.get("game")).toMatchObject({ value: "1", createdAt: clock.nowMs });
  });

  it("stops announcing rooms that are no longer requested, by itself", () => {
    let nowMs = 0;
    const feeds = new RosterFeeds(new ChannelTable(), () => nowMs);
    for (let i = 0; i < 1000; i++) {
      feeds.want(`room-${i}`, 100);
      nowMs += 10;
    }
    expect(feeds.size).toBeLessThanOrEqual(10);
    expect(feeds.kept).toBeLessThanOrEqual(64);
  });

  it("refuses grace periods and times to announce that are no times", async () => {
    const { store, lease } = await open();
    for (const bad of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      const calls = [store.users.remove(lease, [], { graceMs: bad }), store.rooms.enableAnnouncements("lobby", bad)];
      for (const call of calls) await expect(call).rejects.toMatchObject({ code: "options-invalid" });
    }
  });

  it("is the last thousand servers that were cleaned up, each reported once, for an hour", () => {
    let nowMs = 0;
    const reaped = new ReapedServers(() => nowMs);
    for (let i = 0; i < 1001; i++) reaped.add({ serverId: `server-${i}`, incarnation: "aaaa" });
    expect(reaped.take({ serverId: "server-0", incarnation: "aaaa" })).toBe(false);
    expect(reaped.take({ serverId: "server-1", incarnation: "bbbb" })).toBe(false);
    expect([
      reaped.take({ serverId: "server-1", incarnation: "aaaa" }),
      reaped.take({ serverId: "server-1", incarnation: "aaaa" }),
    ]).toEqual([true, false]);
    nowMs = 3_600_000;
    expect(reaped.take({ serverId: "server-2", incarnation: "aaaa" })).toBe(false);
  });

  it("is the last thousand departures, for ten minutes, and since when the list is complete", () => {
    let nowMs = 0;
    const departed = new RecentlyGone(() => nowMs);
    for (let i = 0; i < 1001; i++) {
      nowMs = i;
      departed.add({ serverId: `server-${i}`, incarnation: "aaaa" });
    }
    departed.takeBack({ serverId: "server-500", incarnation: "aaaa" });
    const { recentlyGone, knownForMs } = departed.known();
    expect(recentlyGone).toHaveLength(999);
    // The list holds at most 1,000 servers, so the first one was removed from it.
    expect([knownForMs, recentlyGone[0]]).toEqual([999, { serverId: "server-1", agoMs: 999 }]);
    nowMs += 700_000;
    departed.add({ serverId: "last", incarnation: "aaaa" });
    expect(departed.known()).toEqual({ recentlyGone: [{ serverId: "last", agoMs: 0 }], knownForMs: 600_000 });
  });
});
