import { type Channel, encodeUtf8, type History, type LinkState, type Store, type StoreUpkeep } from "@cm/protocol";
import { describe, expect, it as test, vi } from "vitest";
import type { HarnessFactory } from "./store-harness.js";
import { bringUp, claimDead, LONG_MS, letDie, outcomeOf, scenarios, type TestServer } from "./store-scenarios.js";

const ROOM: Channel = { kind: "room", name: "lobby" };

const DOT = encodeUtf8(".");
const SENDER = { origin: "alpha", epoch: 1, sequence: 1 };

/** Contract tests for `Store` and `Link`. */
export function describeStore(name: string, createHarness: HarnessFactory): void {
  const it = scenarios(createHarness);

  describe(`${name}: store and link`, () => {
    it("connects at start, not before, and reports its link's state", async ({ unstarted }) => {
      const store = unstarted();
      const states: LinkState[] = [];
      store.link.onState((state) => states.push(state));
      expect(store.link.state).toBe("connecting");
      expect(await outcomeOf(store.servers.snapshot())).toBe("closed");
      await store.start();
      // On a busy machine, a probe in one part of a Cluster may be late.
      await vi.waitFor(() => expect(store.link.state).toBe("in-sync"), { timeout: 10_000, interval: 5 });
      expect(states.at(-1)).toBe("in-sync");
      expect(store.link.status()).toMatchObject({ state: "in-sync", reconnects: 0, timedOutCommands: 0 });
      expect(store.link.status().lastProbeMs).toBeGreaterThanOrEqual(0);
      expect(Math.abs(Date.now() - store.link.status().since)).toBeLessThan(60_000);
      expect((await store.servers.snapshot()).living).toEqual([]);
    });

    it("notifies its listeners that it closed, but not removed ones", async ({ store }) => {
      const kept: LinkState[] = [];
      const off: LinkState[] = [];
      const listener = (state: LinkState) => off.push(state);
      store.link.onState((state) => kept.push(state));
      const ofHistory: LinkState[] = [];
      store.bus.history?.link.onState((state) => ofHistory.push(state));
      const removeListeners = [store.link.onState(listener), store.link.onState(listener)];
      for (const remove of removeListeners) remove();
      removeListeners[0]?.();
      await store.close();
      expect(kept).toEqual(["closed"]);
      expect(ofHistory).toEqual(store.bus.history === undefined ? [] : ["closed"]);
      expect(off).toEqual([]);
      expect(store.link.state).toBe("closed");
    });

    it("notifies all its listeners in order, though one closes the store and throws", async ({ unstarted }) => {
      const store = unstarted();
      const states: LinkState[] = [];
      const ends: Promise<void>[] = [];
      store.link.onState((state) => {
        if (state === "in-sync") ends.push(store.close());
        throw new Error("The listener must not throw.");
      });
      store.link.onState((state) => states.push(state));
      await store.start();
      await vi.waitFor(() => expect(states.slice(-2)).toEqual(["in-sync", "closed"]), {
        timeout: 10_000,
        interval: 5,
      });
      expect(await Promise.all(ends)).toEqual([undefined]);
    });

    test("reports how many entries it holds, so that the suites detect leftovers", async (context) => {
      const harness = await createHarness();
      try {
        const before = await harness.storedEntries();
        if (before === undefined) {
          context.skip("The harness has no storedEntries, so no test sees what stays behind.");
          return;
        }
        const alpha = await bringUp(harness.store, "alpha");
        await harness.store.rooms.join(alpha.lease, "lobby", [{ connectionId: alpha.ids.next(), userId: "ann" }]);
        expect(await harness.storedEntries()).toBeGreaterThan(before);
      } finally {
        await harness.close();
      }
    });

    it("closes once and gives every caller the same promise", async ({ store, unstarted }) => {
      const closing = store.close();
      expect(store.close()).toBe(closing);
      await closing;
      expect(store.close()).toBe(closing);
      const never = unstarted();
      await never.close();
      expect(never.link.state).toBe("closed");
    });

    it("fails every call with closed after it closed", async (harness) => {
      const { store } = harness;
      const other = await harness.peer();
      const [alpha, dead] = [await bringUp(store, "alpha"), await bringUp(store, "dead")];
      await letDie(harness, dead);
      const calls = callsOf(store, alpha, await claimDead(store, "dead"));
      await store.close();
      for (const [call, make] of Object.entries(calls))
        expect([call, await outcomeOf(make())]).toEqual([call, "closed"]);
      // A server's data belongs to its lease, not to the store's link.
      expect((await other.servers.snapshot()).living).toMatchObject([{ serverId: "alpha" }]);
    });

    it("ends its own subscriptions when it closes, and no others", async ({ store, peer }) => {
      const other = await peer();
      const mine: number[] = [];
      const theirs: number[] = [];
      const subscription = await store.bus.subscribe(ROOM, ({ length }) => mine.push(length));
      await other.bus.subscribe(ROOM, ({ length }) => theirs.push(length));
      await store.close();
      await other.bus.publish(ROOM, encodeUtf8("x"));
      await vi.waitFor(() => expect(theirs).toEqual([1]), { timeout: 10_000, interval: 5 });
      expect(mine).toEqual([]);
      await subscription.close();
    });

    it("shares its data with its peers only", async ({ store, peer }) => {
      const stranger = await createHarness();
      try {
        const alpha = await bringUp(store, "alpha");
        const seen: number[] = [];
        await stranger.store.bus.subscribe(ROOM, ({ length }) => seen.push(length));
        await store.rooms.join(alpha.lease, "lobby", [{ connectionId: alpha.ids.next(), userId: "ann" }]);
        expect([0, undefined]).toContain((await store.bus.publish(ROOM, encodeUtf8("x"))).subscribers);
        expect(await (await peer()).rooms.count("lobby")).toBe(1);
        expect((await stranger.store.servers.snapshot()).living).toEqual([]);
        expect(await stranger.store.counts.of("rooms")).toBe(0);
        await stranger.store.bus.publish(ROOM, encodeUtf8("own"));
        await vi.waitFor(() => expect(seen).toEqual([3]), { timeout: 10_000, interval: 5 });
      } finally {
        await stranger.close();
      }
    });
  });
}

/** Names of the members of a contract that are calls, without constants such as `partitions`. */
type CallNames<T> = {
  [K in keyof T]-?: T[K] extends (...args: never) => Promise<unknown> ? K : never;
}[keyof T];

/** One entry for each call of a contract: the compiler rejects a table that lacks one. */
type CallTable<T> = Readonly<Record<CallNames<T>, () => Promise<unknown>>>;

/** The parts of a store that access its data, except its upkeep. */
type ContractName = Exclude<keyof Store, "upkeep" | "partitions" | "link" | "start" | "close">;

/** Every call of every contract, by name. */
function callsOf(
  store: Store,
  { lease, registration, ids }: TestServer,
  claim: Awaited<ReturnType<typeof claimDead>>,
): Record<string, () => Promise<unknown>> {
  const { servers, connections, rooms, users, roomRecords, counts, upkeep, bus } = store;
  const connectionId = ids.next();
  const member = { connectionId, userId: "ann" };
  const record = { ...member, connectedAt: 1, lastSeen: 1, rooms: [] };
  const forUpkeep: { readonly [K in keyof StoreUpkeep]: CallTable<StoreUpkeep[K]> } = {
    servers: {
      claim: () => upkeep.servers.claim({ serverId: "dead" }, "reaper", LONG_MS),
      watch: () => upkeep.servers.watch(lease, LONG_MS),
      expire: () => upkeep.servers.expire(registration, LONG_MS),
    },
    projection: {
      renew: () => upkeep.projection.renew(lease, { rooms: ["lobby"] }),
      held: () => upkeep.projection.held(lease, "rooms", 0),
      evict: () => upkeep.projection.evict(claim, { room: "lobby" }),
      endGracePeriods: () => upkeep.projection.endGracePeriods([0]),
      reconcile: () => upkeep.projection.reconcile("rooms", 0),
    },
  };
  const forUse: { readonly [K in ContractName]: CallTable<Store[K]> } = {
    servers: {
      acquire: () => servers.acquire(registration, LONG_MS),
      renew: () => servers.renew(lease, { connections: 0, rooms: 0 }),
      unregister: () => servers.unregister(lease),
      snapshot: () => servers.snapshot(),
    },
    connections: {
      put: () => connections.put(lease, [record]),
      remove: () => connections.remove(lease, [connectionId]),
      get: () => connections.get(connectionId),
    },
    rooms: {
      join: () => rooms.join(lease, "lobby", [member]),
      leave: () => rooms.leave(lease, "lobby", [member]),
      members: () => rooms.members("lobby", { limit: 1 }),
      count: () => rooms.count("lobby"),
      enableAnnouncements: () => rooms.enableAnnouncements("lobby", LONG_MS),
    },
    users: {
      add: () => users.add(lease, [member]),
      remove: () => users.remove(lease, [member], { graceMs: 0 }),
      states: () => users.states(["ann"]),
      online: () => users.online({ limit: 1 }),
    },
    roomRecords: {
      get: () => roomRecords.get("lobby"),
      compareAndSet: () => roomRecords.compareAndSet("lobby", 1, "{}"),
      restore: () => roomRecords.restore(lease, []),
    },
    counts: {
      of: () => counts.of("users"),
    },
    bus: {
      publish: () => bus.publish(ROOM, encodeUtf8("x")),
      subscribe: () => bus.subscribe(ROOM, () => {}),
    },
  };
  return {
    ...named("", forUse),
    ...named("upkeep.", forUpkeep),
    ...(bus.history === undefined ? {} : named("bus.", { history: historyCallsOf(bus.history) })),
  };
}

function named(
  path: string,
  contracts: Readonly<Record<string, Readonly<Record<string, () => Promise<unknown>>>>>,
): Record<string, () => Promise<unknown>> {
  return Object.fromEntries(
    Object.entries(contracts).flatMap(([contract, calls]) =>
      Object.entries(calls).map(([name, call]) => [`${path}${contract}.${name}`, call] as const),
    ),
  );
}

function historyCallsOf(history: History): CallTable<History> {
  return {
    append: () => history.append("lobby", { before: DOT, after: DOT, sender: SENDER }),
    since: () => history.since("lobby", { epoch: 1, offset: 0 }, 1),
    restart: () =>
      history.restart("lobby", { epoch: 1, offset: 1 }, { before: new Uint8Array(1), after: new Uint8Array(1) }),
  };
}
