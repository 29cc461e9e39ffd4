import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import {
  CmError,
  connectionIdsOf,
  createConnectionIdSource,
  type FailureStage,
  type Lease,
  type RoomInterest,
  type Store,
} from "@cm/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createMembership } from "./leased-membership.js";
import type { Membership } from "./membership.js";
import type { MembershipOptions, MembershipStore } from "./options.js";

/** Interest that counts, and whose answers can be held back or made to fail. */
class CountedInterest implements RoomInterest {
  readonly members = new Map<string, number>();
  hold: Promise<void> = Promise.resolve();
  failure: Error | undefined;

  async enter(room: string): Promise<undefined> {
    this.members.set(room, (this.members.get(room) ?? 0) + 1);
    await this.hold;
    if (this.failure === undefined) return undefined;
    this.exit(room);
    throw this.failure;
  }

  exit(room: string): void {
    const left = (this.members.get(room) ?? 0) - 1;
    if (left === 0) this.members.delete(room);
    else this.members.set(room, left);
  }
}

interface Server {
  readonly membership: Membership;
  readonly store: Store;
  readonly interest: CountedInterest;
  readonly errors: { error: CmError; stage: FailureStage }[];
  readonly stale: string[];
}

/** A contract with some of its calls answered by the test. */
function overridden<T extends object>(contract: T, calls: Partial<T>): T {
  return new Proxy(contract, {
    get(target, name) {
      const call: unknown = Reflect.get(calls, name) ?? Reflect.get(target, name);
      return typeof call === "function" ? call.bind(target) : call;
    },
  });
}

/** What a membership needs of a store, to be replaced in part. */
function contractsOf(store: Store): MembershipStore {
  const { servers, connections, rooms, users, partitioning, upkeep, link } = store;
  return { servers, connections, rooms, users, partitioning, upkeep, link };
}

describe("Membership", () => {
  let clockMs: number;
  let hub: ReturnType<typeof createMemoryHub>;
  const opened: Server[] = [];

  /** Everything of the store, also what has no public reader, is reached through its contracts. */
  async function server(serverId: string, options: Partial<MembershipOptions> = {}): Promise<Server> {
    const store = createMemoryStore({ hub });
    await store.start();
    const interest = new CountedInterest();
    const errors: { error: CmError; stage: FailureStage }[] = [];
    const stale: string[] = [];
    const membership = createMembership({
      ids: createConnectionIdSource({ serverId }),
      store,
      interest,
      heartbeatIntervalMs: 100,
      leaseTtlMs: 1_000,
      offlineGraceMs: 0,
      onStale: (id) => stale.push(id),
      onError: (error, { stage }) => errors.push({ error, stage }),
      ...options,
    });
    const made = { membership, store, interest, errors, stale };
    opened.push(made);
    return made;
  }

  async function started(serverId: string, options: Partial<MembershipOptions> = {}): Promise<Server> {
    const made = await server(serverId, options);
    await made.membership.start();
    return made;
  }

  async function connect({ membership }: Server, userId: string): Promise<string> {
    const connectionId = membership.nextConnectionId();
    await membership.open({ connectionId, userId });
    return connectionId;
  }

  const membersOf = async ({ store }: Server, room: string) =>
    (await store.rooms.members(room, { limit: 1000 })).items.map(({ connectionId }) => connectionId);

  beforeEach(() => {
    clockMs = 1_000_000;
    hub = createMemoryHub({ now: () => clockMs });
  });

  afterEach(async () => {
    for (const { membership, store } of opened.splice(0)) {
      await membership.shutdown();
      await store.close();
    }
  });

  it("projects connections, users and rooms, and takes them away again", async () => {
    const a = await started("a");
    const id = await connect(a, "ann");
    await a.membership.join(id, "lobby");
    await a.membership.join(id, "hall");
    expect(await a.store.connections.get(id)).toMatchObject({ userId: "ann", rooms: ["lobby", "hall"] });
    expect(await connectionIdsOf(a.store.users, "ann")).toEqual([id]);
    expect(await membersOf(a, "lobby")).toEqual([id]);
    expect(a.membership.stats()).toMatchObject({ connections: 1, rooms: 2, users: 1 });

    await a.membership.leave(id, "lobby");
    expect(await membersOf(a, "lobby")).toEqual([]);
    await expect.poll(() => a.store.connections.get(id)).toMatchObject({ rooms: ["hall"] });

    await a.membership.close(id);
    await expect.poll(() => a.store.connections.get(id)).toBeUndefined();
    expect(await a.store.counts.of("rooms")).toBe(0);
    expect(await a.store.counts.of("users")).toBe(0);
    expect(a.interest.members.size).toBe(0);
    expect(a.membership.stats()).toMatchObject({ connections: 0, rooms: 0, users: 0, pendingRemovals: 0 });
  });

  it("answers a join only when the room's channel is live", async () => {
    const a = await started("a");
    const id = await connect(a, "ann");
    let release = (): void => undefined;
    a.interest.hold = new Promise((resolve) => {
      release = resolve;
    });
    let joined = false;
    const join = a.membership.join(id, "lobby").then(() => {
      joined = true;
    });
    await expect.poll(() => membersOf(a, "lobby")).toEqual([id]);
    expect(joined).toBe(false);
    release();
    await join;
    expect(joined).toBe(true);
  });

  it("treats a second join, leave or close as done", async () => {
    const a = await started("a");
    const id = await connect(a, "ann");
    await Promise.all([a.membership.join(id, "lobby"), a.membership.join(id, "lobby")]);
    await a.membership.join(id, "lobby");
    expect(a.interest.members.get("lobby")).toBe(1);
    await a.membership.leave(id, "lobby");
    await a.membership.leave(id, "lobby");
    await a.membership.close(id);
    await a.membership.close(id);
    await a.membership.leave(id, "lobby");
    expect(a.interest.members.size).toBe(0);
  });

  it("leaves nothing behind where the channel could not be opened", async () => {
    const a = await started("a");
    const id = await connect(a, "ann");
    a.interest.failure = new Error("no channel");
    await expect(a.membership.join(id, "lobby")).rejects.toThrow("no channel");
    expect(await membersOf(a, "lobby")).toEqual([]);
    await expect.poll(() => a.store.connections.get(id)).toMatchObject({ rooms: [] });
    expect(a.interest.members.size).toBe(0);
    expect(a.membership.stats()).toMatchObject({ rooms: 0 });
  });

  it("leaves nothing behind where the connection closes while it joins", async () => {
    const a = await started("a");
    const id = await connect(a, "ann");
    let release = (): void => undefined;
    a.interest.hold = new Promise((resolve) => {
      release = resolve;
    });
    const join = a.membership.join(id, "lobby").catch((error: CmError) => error.code);
    await a.membership.close(id);
    release();
    expect(await join).toBe("not-found");
    expect(await a.store.counts.of("rooms")).toBe(0);
    await expect.poll(() => a.store.connections.get(id)).toBeUndefined();
    expect(a.interest.members.size).toBe(0);
  });

  it("leaves nothing behind where the connection closes while it opens", async () => {
    const a = await started("a");
    const connectionId = a.membership.nextConnectionId();
    const open = a.membership.open({ connectionId, userId: "ann" });
    await Promise.all([open, a.membership.close(connectionId)]);
    await expect.poll(() => a.store.connections.get(connectionId)).toBeUndefined();
    expect(await a.store.counts.of("users")).toBe(0);
  });

  it("takes the lease anew when it ran out, and projects everything again", async () => {
    const a = await started("a");
    const b = await started("b", { heartbeatIntervalMs: 500 });
    const ids = await Promise.all(["ann", "bob", "cy"].map((user) => connect(a, user)));
    await Promise.all(ids.map((id) => a.membership.join(id, "lobby")));
    // As if the process had been paused past its lease.
    clockMs += 5_000;
    expect(await membersOf(b, "lobby")).toEqual([]);
    await expect.poll(() => a.membership.stats().reprojections).toBe(1);
    await expect.poll(() => membersOf(b, "lobby")).toHaveLength(3);
    await expect.poll(async () => (await b.store.connections.get(ids[0] ?? ""))?.rooms).toEqual(["lobby"]);
    expect(a.membership.holdsLease).toBe(true);
  });

  it("carries out a write that found the lease gone, after it took the lease anew", async () => {
    const a = await started("a", { heartbeatIntervalMs: 900 });
    const id = await connect(a, "ann");
    clockMs += 5_000;
    await a.membership.join(id, "lobby");
    expect(await membersOf(a, "lobby")).toEqual([id]);
    expect(a.membership.stats().reprojections).toBe(1);
  });

  it("projects everything again at a later heartbeat where that failed at first", async () => {
    const made = await server("a");
    // The same store, but for one failure at the time of the test's choosing.
    let failures = 0;
    const rooms = overridden(made.store.rooms, {
      join: (...args) =>
        failures-- > 0 ? Promise.reject(new Error("the store hiccups")) : made.store.rooms.join(...args),
    });
    const { store } = made;
    const membership = createMembership({
      ids: createConnectionIdSource({ serverId: "b" }),
      store: { ...contractsOf(store), rooms },
      interest: made.interest,
      heartbeatIntervalMs: 100,
      leaseTtlMs: 1_000,
    });
    const b = { ...made, membership };
    await membership.start();
    const id = await connect(b, "ann");
    await membership.join(id, "lobby");
    failures = 2;
    clockMs += 5_000;
    await expect.poll(() => membersOf(b, "lobby")).toEqual([id]);
    await expect.poll(() => membership.holdsLease).toBe(true);
    expect(failures).toBeLessThanOrEqual(0);
    await membership.shutdown();
  });

  it("tries more and more rarely where projecting everything fails again and again, and renews its lease meanwhile", async () => {
    const made = await server("a");
    const { store } = made;
    let isAway = false;
    let beats = 0;
    const membership = createMembership({
      ids: createConnectionIdSource({ serverId: "b" }),
      store: {
        ...contractsOf(store),
        rooms: overridden(store.rooms, {
          join: (...args) => (isAway ? Promise.reject(new CmError("timeout", "slow")) : store.rooms.join(...args)),
        }),
        servers: overridden(store.servers, {
          renew: (...args) => {
            beats++;
            return store.servers.renew(...args);
          },
        }),
      },
      interest: made.interest,
      heartbeatIntervalMs: 100,
      leaseTtlMs: 10_000,
    });
    const b = { ...made, membership };
    await membership.start();
    const id = await connect(b, "ann");
    await membership.join(id, "lobby");
    isAway = true;
    clockMs += 20_000;
    await expect.poll(() => membership.stats().reprojections).toBeGreaterThan(0);
    beats = 0;
    await expect.poll(() => beats, { timeout: 10_000 }).toBeGreaterThan(20);
    expect(membership.holdsLease).toBe(false);
    expect(membership.stats().reprojections).toBeLessThan(8);
    isAway = false;
    await expect.poll(() => membership.holdsLease, { timeout: 10_000 }).toBe(true);
    expect(await membersOf(b, "lobby")).toEqual([id]);
    await membership.shutdown();
  });

  it("tells once of what is wrong with the store as a whole, and goes on", async () => {
    const made = await server("a");
    const { store } = made;
    let fault: CmError | undefined = new CmError("layout-mismatch", "another layout");
    let beats = 0;
    const errors: string[] = [];
    const membership = createMembership({
      ids: createConnectionIdSource({ serverId: "b" }),
      store: {
        ...contractsOf(store),
        servers: overridden(store.servers, {
          renew: async (...args) => {
            beats++;
            return { ...(await store.servers.renew(...args)), fault };
          },
        }),
      },
      interest: made.interest,
      heartbeatIntervalMs: 100,
      leaseTtlMs: 1_000,
      onError: ({ code }) => errors.push(code),
    });
    await membership.start();
    await expect.poll(() => beats, { timeout: 5_000 }).toBeGreaterThan(4);
    expect(membership.fault?.code).toBe("layout-mismatch");
    expect(membership.holdsLease).toBe(true);
    expect(errors).toEqual(["layout-mismatch"]);
    fault = undefined;
    await expect.poll(() => membership.fault).toBeUndefined();
    await membership.shutdown();
  });

  it("makes the store whole again that came back older than it was, though it still holds the lease", async () => {
    const made = await server("a");
    const { store } = made;
    let goDown = (): void => undefined;
    let lease: Lease | undefined;
    const membership = createMembership({
      ids: createConnectionIdSource({ serverId: "b" }),
      store: {
        ...contractsOf(store),
        servers: overridden(store.servers, {
          acquire: async (...args) => {
            lease = await store.servers.acquire(...args);
            return lease;
          },
        }),
        link: {
          state: "in-sync",
          onState(listener) {
            goDown = () => listener("down");
            return () => undefined;
          },
        },
      },
      interest: made.interest,
      heartbeatIntervalMs: 100,
      leaseTtlMs: 1_000,
    });
    await membership.start();
    if (lease === undefined) throw new Error("The membership took no lease.");
    const b = { ...made, membership };
    const [came, stays, left] = [await connect(b, "ann"), await connect(b, "bob"), await connect(b, "cid")];
    for (const id of [came, stays, left]) await membership.join(id, "lobby");
    await membership.join(stays, "old");
    const before = await store.connections.get(stays);
    const leftBefore = await store.connections.get(left);
    if (before === undefined || leftBefore === undefined) throw new Error("There are no records.");
    await membership.leave(stays, "old");
    await membership.close(left);
    // What has happened since is forgotten, and the lease is what it was.
    await store.rooms.leave(lease, "lobby", [{ connectionId: came, userId: "ann" }]);
    await store.users.remove(lease, [{ connectionId: came, userId: "ann" }], { graceMs: 0 });
    await store.connections.remove(lease, [came]);
    await store.connections.put(lease, [before, leftBefore]);
    await store.rooms.join(lease, "old", [{ connectionId: stays, userId: "bob" }]);
    await store.rooms.join(lease, "lobby", [{ connectionId: left, userId: "cid" }]);
    await store.users.add(lease, [{ connectionId: left, userId: "cid" }]);

    goDown();
    await expect.poll(() => membership.stats().reprojections).toBe(1);
    await expect.poll(async () => (await membersOf(b, "lobby")).sort()).toEqual([came, stays].sort());
    await expect.poll(() => store.connections.get(left)).toBeUndefined();
    await expect.poll(async () => (await store.connections.get(stays))?.rooms).toEqual(["lobby"]);
    expect(await membersOf(b, "old")).toEqual([]);
    expect(await connectionIdsOf(store.users, "ann")).toEqual([came]);
    expect(await connectionIdsOf(store.users, "cid")).toEqual([]);
    expect((await store.connections.get(came))?.rooms).toEqual(["lobby"]);
    expect(membership.stats()).toMatchObject({ reprojections: 1, pendingRemovals: 0 });
    await membership.shutdown();
  });

  it("cleans up after a server that died, at a heartbeat", async () => {
    const dead = await server("dead", { heartbeatIntervalMs: 3_000, leaseTtlMs: 4_000 });
    await dead.membership.start();
    const ids = await Promise.all(Array.from({ length: 200 }, (_, i) => connect(dead, `user-${i}`)));
    await Promise.all(ids.map((id, i) => dead.membership.join(id, `room-${i % 10}`)));
    const b = await started("b");
    const mine = await connect(b, "bob");
    await b.membership.join(mine, "room-0");
    clockMs += 4_500;
    await expect.poll(() => b.membership.stats().reapedServers).toBe(1);
    expect(await b.store.counts.of("rooms")).toBe(1);
    expect(await membersOf(b, "room-0")).toEqual([mine]);
    expect(await b.store.counts.of("users")).toBe(1);
    expect((await b.store.servers.snapshot()).living.map(({ serverId }) => serverId)).toEqual(["b"]);
  });

  it("cleans up after its own predecessor when it starts under the same id", async () => {
    const before = await server("a", { heartbeatIntervalMs: 3_000, leaseTtlMs: 4_000 });
    await before.membership.start();
    const ghost = await connect(before, "ghost");
    await before.membership.join(ghost, "lobby");
    clockMs += 10_000;
    const after = await started("a");
    expect(await after.store.counts.of("rooms")).toBe(0);
    expect(await after.store.counts.of("users")).toBe(0);
    expect(after.membership.stats().reapedServers).toBe(1);
  });

  it("refuses to start under the id of a living server", async () => {
    await started("a");
    const second = await server("a");
    await expect(second.membership.start()).rejects.toMatchObject({ code: "server-id-taken" });
  });

  it("reports connections that were silent for too long, and no others", async () => {
    let nowMs = 0;
    const seen = new Map<string, number>();
    const a = await started("a", {
      now: () => nowMs,
      lastSeenOf: (id) => seen.get(id),
      staleConnectionTimeoutMs: 1_000,
      cleanupIntervalMs: 100,
    });
    const [silent, alive, unknown] = [await connect(a, "ann"), await connect(a, "bob"), await connect(a, "cy")];
    seen.set(silent, 400).set(alive, 600);
    nowMs = 1_500;
    await expect.poll(() => a.stale.includes(silent)).toBe(true);
    expect(a.stale).not.toContain(alive);
    expect(a.stale).not.toContain(unknown);
    await a.membership.join(alive, "lobby");
    expect(await a.store.connections.get(alive)).toMatchObject({ connectedAt: 0, lastSeen: 600 });
  });

  it("says once that another process took its id while it was away, and writes nothing more", async () => {
    const taken: string[] = [];
    const a = await started("a", { onLeaseTaken: ({ code }) => taken.push(code) });
    const id = await connect(a, "ann");
    await a.membership.join(id, "lobby");
    clockMs += 5_000;
    // The successor is quicker than the heartbeat of the one that was away.
    const b = await server("a", { heartbeatIntervalMs: 900 });
    await b.membership.start();
    await expect.poll(() => taken).toEqual(["server-id-taken"]);
    await expect.poll(() => a.errors.length).toBeGreaterThan(2);
    expect(taken).toHaveLength(1);
    expect(await membersOf(b, "lobby")).toEqual([]);
    await a.membership.shutdown();
    expect((await b.store.servers.snapshot()).living.map(({ serverId }) => serverId)).toEqual(["a"]);
  });

  it("waits for removals that are under way, and keeps its lease where the store did not take them all", async () => {
    const made = await server("a");
    const { store } = made;
    let away = false;
    const users = overridden(store.users, {
      remove: (...args) => (away ? Promise.reject(new CmError("unavailable", "away")) : store.users.remove(...args)),
    });
    const membership = createMembership({
      ids: createConnectionIdSource({ serverId: "b" }),
      store: { ...contractsOf(store), users },
      interest: made.interest,
      heartbeatIntervalMs: 10_000,
      leaseTtlMs: 20_000,
    });
    await membership.start();
    const id = await connect({ ...made, membership }, "ann");
    await membership.join(id, "lobby");
    away = true;
    void membership.close(id);
    await membership.shutdown();
    // Whoever comes next finds the server by its lease, and the connection by its record.
    expect((await store.servers.snapshot()).living.map(({ serverId }) => serverId)).toEqual(["b"]);
    expect(await store.connections.get(id)).toMatchObject({ userId: "ann" });
    const survivor = await started("c");
    clockMs += 30_000;
    await expect.poll(() => store.counts.of("users")).toBe(0);
    expect(survivor.membership.stats().reapedServers).toBe(1);
  });

  it("gives up a removal that the store refuses again and again, and goes on with the others and the upkeep", async () => {
    const made = await server("a");
    const { store } = made;
    let renewals = 0;
    const errors: CmError[] = [];
    const rooms = overridden(store.rooms, {
      leave: (lease, room, members) =>
        room === "poisoned" ? Promise.reject(new Error("WRONGTYPE")) : store.rooms.leave(lease, room, members),
    });
    const projection = overridden(store.upkeep.projection, {
      renew: (lease, parts) => {
        if ((parts.rooms ?? []).length > 0) renewals++;
        return store.upkeep.projection.renew(lease, parts);
      },
    });
    const membership = createMembership({
      ids: createConnectionIdSource({ serverId: "b" }),
      store: { ...contractsOf(store), rooms, upkeep: { ...store.upkeep, projection } },
      interest: made.interest,
      heartbeatIntervalMs: 100,
      leaseTtlMs: 1_000,
      connectionTtlMs: 1_000,
      onError: (error) => errors.push(error),
    });
    await membership.start();
    const [id, other] = [await connect({ ...made, membership }, "ann"), await connect({ ...made, membership }, "bob")];
    await membership.join(id, "poisoned");
    await membership.join(id, "lobby");
    await membership.join(other, "hall");
    await membership.leave(id, "poisoned");
    await membership.leave(id, "lobby");
    expect(membership.stats().pendingRemovals).toBe(1);
    await expect.poll(() => renewals).toBeGreaterThan(3);
    await expect.poll(() => membership.stats().pendingRemovals).toBe(0);
    expect(errors.some(({ message }) => message.includes("given up"))).toBe(true);
    await membership.shutdown();
  });

  it("withdraws everything and gives its lease up when it is shut down, once", async () => {
    const a = await started("a");
    const b = await started("b");
    const ids = await Promise.all(["ann", "bob"].map((user) => connect(a, user)));
    await Promise.all(ids.map((id) => a.membership.join(id, "lobby")));
    expect(a.membership.shutdown()).toBe(a.membership.shutdown());
    await a.membership.shutdown();
    expect((await b.store.servers.snapshot()).living.map(({ serverId }) => serverId)).toEqual(["b"]);
    expect(await b.store.counts.of("rooms")).toBe(0);
    expect(await b.store.counts.of("users")).toBe(0);
    await expect(connect(a, "late")).rejects.toMatchObject({ code: "closed" });
  });

  it("can be shut down without ever having been started", async () => {
    const a = await server("a");
    await a.membership.shutdown();
    expect(a.errors).toEqual([]);
  });

  it("refuses ids that are not its own or are in use, and names that are none", async () => {
    const a = await started("a");
    const id = await connect(a, "ann");
    await expect(a.membership.open({ connectionId: id, userId: "ann" })).rejects.toMatchObject({ code: "id-invalid" });
    const foreign = createConnectionIdSource({ serverId: "b" }).next();
    await expect(a.membership.open({ connectionId: foreign, userId: "x" })).rejects.toMatchObject({
      code: "id-invalid",
    });
    await expect(connect(a, "")).rejects.toMatchObject({ code: "name-invalid" });
    await expect(a.membership.join(id, "x".repeat(256))).rejects.toMatchObject({ code: "name-too-long" });
    await expect(a.membership.join(foreign, "lobby")).rejects.toMatchObject({ code: "not-found" });
    expect(a.membership.stats()).toMatchObject({ connections: 1, rooms: 0 });
  });

  it("refuses options that can't be used", async () => {
    for (const bad of [
      { heartbeatIntervalMs: 0 },
      { leaseTtlMs: 100 },
      { leaseTtlMs: 1.5 },
      { cleanupIntervalMs: Number.NaN },
      { offlineGraceMs: -1 },
      { offlineGraceMs: 3_600_001 },
      { maxMetadataBytes: 0.5 },
    ]) {
      await expect(server("a", bad)).rejects.toMatchObject({ code: "options-invalid" });
    }
    await expect(server("a", { heartbeatIntervalMs: 1_000, leaseTtlMs: 1_000 })).rejects.toMatchObject({
      code: "options-invalid",
    });
  });
});
