import { CmError, connectionIdsOf, createConnectionIdSource } from "@cm/protocol";
import { describe, expect, it } from "vitest";
import { createMembership } from "./leased-membership.js";
import { contractsOf, overridden, useTestServers } from "./membership.fixture.js";

describe("Membership", () => {
  const { clock, server, started, connect, membersOf } = useTestServers();

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

  it("leaves nothing behind if the channel could not be opened", async () => {
    const a = await started("a");
    const id = await connect(a, "ann");
    a.interest.failure = new Error("no channel");
    await expect(a.membership.join(id, "lobby")).rejects.toThrow("no channel");
    expect(await membersOf(a, "lobby")).toEqual([]);
    await expect.poll(() => a.store.connections.get(id)).toMatchObject({ rooms: [] });
    expect(a.interest.members.size).toBe(0);
    expect(a.membership.stats()).toMatchObject({ rooms: 0 });
  });

  it("leaves nothing behind if the connection closes while it joins", async () => {
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

  it("leaves nothing behind if the connection closes while it opens", async () => {
    const a = await started("a");
    const connectionId = a.membership.nextConnectionId();
    const open = a.membership.open({ connectionId, userId: "ann" });
    await Promise.all([open, a.membership.close(connectionId)]);
    await expect.poll(() => a.store.connections.get(connectionId)).toBeUndefined();
    expect(await a.store.counts.of("users")).toBe(0);
  });

  it("cleans up after a server that died, at a heartbeat", async () => {
    const dead = await server("dead", { heartbeatIntervalMs: 3_000, leaseTtlMs: 4_000 });
    await dead.membership.start();
    const ids = await Promise.all(Array.from({ length: 200 }, (_, i) => connect(dead, `user-${i}`)));
    await Promise.all(ids.map((id, i) => dead.membership.join(id, `room-${i % 10}`)));
    const b = await started("b");
    const mine = await connect(b, "bob");
    await b.membership.join(mine, "room-0");
    clock.ms += 4_500;
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
    clock.ms += 10_000;
    const after = await started("a");
    expect(await after.store.counts.of("rooms")).toBe(0);
    expect(await after.store.counts.of("users")).toBe(0);
    expect(after.membership.stats().reapedServers).toBe(1);
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

  it("reports callbacks that throw or reject, and serves on", async () => {
    let nowMs = 0;
    const rejects = async (): Promise<never> => {
      throw new Error("a bug");
    };
    const a = await started("a", {
      now: () => nowMs,
      staleConnectionTimeoutMs: 1_000,
      cleanupIntervalMs: 100,
      lastSeenOf: () => {
        if (nowMs > 0) return 0;
        throw new Error("a bug");
      },
      onStale: rejects,
      onRoomEntered: rejects,
      onRoomExited: () => {
        throw new Error("a bug");
      },
    });
    const id = await connect(a, "ann");
    await a.membership.join(id, "lobby");
    await a.membership.leave(id, "lobby");
    nowMs = 1_500;
    const failed = (callback: string) =>
      expect.objectContaining({
        stage: "handler",
        error: expect.objectContaining({ code: "internal", message: `${callback} failed.`, cause: new Error("a bug") }),
      });
    const callbacks = ["lastSeenOf", "onRoomEntered", "onRoomExited", "onStale"];
    await expect.poll(() => a.errors).toEqual(expect.arrayContaining(callbacks.map(failed)));
    expect(await membersOf(a, "lobby")).toEqual([]);
  });

  it("waits for removals that are under way, and keeps its lease if the store did not take them all", async () => {
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
    // The next server finds the dead one by its lease, and the connection by its record.
    expect((await store.servers.snapshot()).living.map(({ serverId }) => serverId)).toEqual(["b"]);
    expect(await store.connections.get(id)).toMatchObject({ userId: "ann" });
    const survivor = await started("c");
    clock.ms += 30_000;
    await expect.poll(() => store.counts.of("users")).toBe(0);
    expect(survivor.membership.stats().reapedServers).toBe(1);
  });

  it("drops a removal that the store refuses repeatedly, and continues with the others and the upkeep", async () => {
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
    expect(errors.some(({ message }) => message.includes("dropped"))).toBe(true);
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

  it("refuses ids that are not its own or are in use, and invalid names", async () => {
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

  it.each<[string, unknown, object]>([
    ["no connection", undefined, { code: "options-invalid", details: { field: "connection" } }],
    [
      "an unknown field",
      { userID: "ann" },
      { code: "options-invalid", details: { field: "userID", nearest: "userId" } },
    ],
    [
      "an id of the application's own",
      { connectionId: "c1" },
      { message: expect.stringMatching(/nextConnectionId.* is not valid/) },
    ],
    [
      "an id of another server",
      { connectionId: "b.aaaa01" },
      { code: "id-invalid", message: expect.stringContaining("is of server b, but this server is a") },
    ],
  ])("names what is wrong with a connection that has %s", async (_, wrong, error) => {
    const a = await started("a");
    const good = { connectionId: a.membership.nextConnectionId(), userId: "ann" };
    const given = wrong === undefined ? wrong : Object.assign(good, wrong);
    // Pass invalid values, as plain JavaScript may.
    await expect(a.membership.open(given as typeof good)).rejects.toMatchObject(error);
    expect(a.membership.stats().connections).toBe(0);
  });

  it("refuses options of a call that are none", async () => {
    const a = await started("a");
    const connectionId = await connect(a, "ann");
    // Pass invalid values, as plain JavaScript may.
    const wild = (value: unknown) => value as never;
    for (const call of [
      () => a.membership.join(connectionId, "hall", wild(null)),
      () => a.membership.close(connectionId, wild(null)),
      () => a.membership.close(connectionId, wild({ signoff: true })),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: "options-invalid" });
    }
    expect(a.membership.stats()).toMatchObject({ connections: 1, memberships: 0 });
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
