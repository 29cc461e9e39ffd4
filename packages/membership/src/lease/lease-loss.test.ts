import { CmError, connectionIdsOf, createConnectionIdSource, type Lease } from "@cm/protocol";
import { describe, expect, it } from "vitest";
import { createMembership } from "../leased-membership.js";
import { contractsOf, overridden, useTestServers } from "../membership.fixture.js";

describe("Membership and its lease", () => {
  const { clock, server, started, connect, membersOf } = useTestServers();

  it("acquires the lease again when it expired, and projects everything again", async () => {
    const a = await started("a");
    const b = await started("b", { heartbeatIntervalMs: 500 });
    const ids = await Promise.all(["ann", "bob", "cy"].map((user) => connect(a, user)));
    await Promise.all(ids.map((id) => a.membership.join(id, "lobby")));
    // Let the lease expire, as if the process had been paused.
    clock.ms += 5_000;
    expect(await membersOf(b, "lobby")).toEqual([]);
    await expect.poll(() => a.membership.stats().reprojections).toBe(1);
    await expect.poll(() => membersOf(b, "lobby")).toHaveLength(3);
    await expect.poll(async () => (await b.store.connections.get(ids[0] ?? ""))?.rooms).toEqual(["lobby"]);
    expect(a.membership.holdsLease).toBe(true);
  });

  it("executes a write that failed because the lease was gone, after it has acquired the lease again", async () => {
    const a = await started("a", { heartbeatIntervalMs: 900 });
    const id = await connect(a, "ann");
    clock.ms += 5_000;
    await a.membership.join(id, "lobby");
    expect(await membersOf(a, "lobby")).toEqual([id]);
    expect(a.membership.stats().reprojections).toBe(1);
  });

  it("projects everything again at a later heartbeat if that failed at first", async () => {
    const made = await server("a");
    // The same store, but `join` fails once at the time that the test chooses.
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
    clock.ms += 5_000;
    await expect.poll(() => membersOf(b, "lobby")).toEqual([id]);
    await expect.poll(() => membership.holdsLease).toBe(true);
    expect(failures).toBeLessThanOrEqual(0);
    await membership.shutdown();
  });

  it("tries more and more rarely if projecting everything fails again and again, and renews its lease meanwhile", async () => {
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
    clock.ms += 20_000;
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

  it("reports once a fault of the whole store, and continues", async () => {
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

  it("repairs a store that was restored from an older state, even though it still holds the lease", async () => {
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
      // No pause of this process may let the lease expire, which would count as another reprojection.
      leaseTtlMs: 60_000,
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
    // Remove the recent changes from the store, but keep the lease, as a failover to a lagging replica
    // would.
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
    // Partitions are reconciled one after the other, so these may follow later.
    await expect.poll(() => membersOf(b, "old")).toEqual([]);
    await expect.poll(() => connectionIdsOf(store.users, "cid"), { timeout: 10_000 }).toEqual([]);
    expect(await connectionIdsOf(store.users, "ann")).toEqual([came]);
    expect((await store.connections.get(came))?.rooms).toEqual(["lobby"]);
    expect(membership.stats()).toMatchObject({ reprojections: 1, pendingRemovals: 0 });
    await membership.shutdown();
  });

  it("refuses to start under the id of a living server", async () => {
    await started("a");
    const second = await server("a");
    await expect(second.membership.start()).rejects.toMatchObject({ code: "server-id-taken" });
  });

  it("says once that another process took its id while it was away, and writes nothing more", async () => {
    const taken: string[] = [];
    const a = await started("a", { onLeaseTaken: ({ code }) => taken.push(code) });
    const id = await connect(a, "ann");
    await a.membership.join(id, "lobby");
    clock.ms += 5_000;
    // The successor acquires the lease before the paused server sends its heartbeat.
    const b = await server("a", { heartbeatIntervalMs: 900 });
    await b.membership.start();
    await expect.poll(() => taken).toEqual(["server-id-taken"]);
    await expect.poll(() => a.errors.length).toBeGreaterThan(2);
    expect(taken).toHaveLength(1);
    expect(await membersOf(b, "lobby")).toEqual([]);
    await a.membership.shutdown();
    expect((await b.store.servers.snapshot()).living.map(({ serverId }) => serverId)).toEqual(["a"]);
  });
});
