import type { HarnessFactory, StoreHarness } from "@cm/contract-tests/store";
import {
  CmError,
  connectionIdsOf,
  createConnectionIdSource,
  decodeUtf8,
  type PresenceChange,
  parsePresenceChange,
  parseRosterChange,
  partitionOf,
  type RosterChange,
  type Store,
} from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { describe, expect, it } from "vitest";
import { createMembership, type Membership, type MembershipOptions } from "../index.js";

interface TestServer {
  readonly store: Store;
  readonly membership: Membership;
  /**
   * Makes heartbeats fail or succeed again. While they fail, the lease expires as if the process were paused.
   */
  hangUp(on: boolean): void;
  connect(userId: string, metadata?: unknown): Promise<string>;
}

/** Servers on one store, with the changes received from one user's partition and one room's roster. */
class World {
  readonly changes: PresenceChange[] = [];
  readonly roster: RosterChange[] = [];
  #userId = "";
  readonly #harness: StoreHarness;
  readonly #memberships: Membership[] = [];

  constructor(harness: StoreHarness) {
    this.#harness = harness;
  }

  get store(): Store {
    return this.#harness.store;
  }

  async listen(userId: string, room = "lobby"): Promise<void> {
    this.#userId = userId;
    const { partitions, rooms, bus } = this.#harness.store;
    await bus.subscribe({ kind: "presence", name: String(partitionOf(userId, partitions)) }, (bytes) => {
      const parsed = parsePresenceChange(decodeUtf8(bytes) ?? "");
      if (parsed.ok && parsed.value.userId === userId) this.changes.push(parsed.value);
    });
    await bus.subscribe({ kind: "roster", name: room }, (bytes) => {
      const parsed = parseRosterChange(decodeUtf8(bytes) ?? "");
      if (parsed.ok) this.roster.push(parsed.value);
    });
    await rooms.enableAnnouncements(room, 60_000);
  }

  /** Resolves with the kinds of all changes up to a marker change that this call publishes. */
  async kinds(): Promise<string[]> {
    const { users, servers } = this.#harness.store;
    const { serverId, incarnation, partitionBits, next } = createConnectionIdSource({ serverId: "sign" });
    const lease = await servers.acquire({ serverId, incarnation, partitionBits, host: "127.0.0.1", port: 1 }, 60_000);
    const sign = { userId: this.#userId, connectionId: next() };
    await users.add(lease, [sign]);
    const at = await eventually(() => {
      const index = this.changes.findIndex(({ connectionId }) => connectionId === sign.connectionId);
      expect(index).toBeGreaterThanOrEqual(0);
      return index;
    });
    return this.changes.slice(0, at).map(({ kind }) => kind);
  }

  async start(serverId: string, options: Partial<MembershipOptions> = {}): Promise<TestServer> {
    const store = await this.#harness.peer();
    let isHungUp = false;
    const servers: Store["servers"] = {
      ...store.servers,
      renew: (...args) =>
        isHungUp ? Promise.reject(new CmError("unavailable", "No way through.")) : store.servers.renew(...args),
    };
    const { connections, rooms, users, partitions, upkeep, link } = store;
    const membership = createMembership({
      ids: createConnectionIdSource({ serverId }),
      store: { servers, connections, rooms, users, partitions, upkeep, link },
      interest: { enter: async () => undefined, exit: () => undefined },
      heartbeatIntervalMs: 200,
      leaseTtlMs: 20_000,
      ...options,
    });
    this.#memberships.push(membership);
    await membership.start();
    return {
      store,
      membership,
      hangUp(on) {
        isHungUp = on;
      },
      async connect(userId, metadata) {
        const connectionId = membership.nextConnectionId();
        await membership.open({ connectionId, userId, metadata });
        return connectionId;
      },
    };
  }

  async close(): Promise<void> {
    for (const membership of this.#memberships) await membership.shutdown();
    await this.#harness.close();
  }
}

/** Contract tests for a membership's presence guarantees, for any store that uses real time. */
export function describeMembershipPresence(name: string, createHarness: HarnessFactory): void {
  function promise(sentence: string, body: (world: World) => Promise<void>): void {
    it(sentence, async () => {
      const world = new World(await createHarness());
      try {
        await body(world);
      } finally {
        await world.close();
      }
    });
  }

  const stateOf = async (world: World, userId: string) => (await world.store.users.states([userId]))[0];

  describe(`presence of a membership on ${name}`, () => {
    promise("tells what connections say about themselves, to their users and rooms", async (world) => {
      const a = await world.start("a");
      await world.listen("ann");
      const id = await a.connect("ann", { status: "busy" });
      await a.membership.join(id, "lobby");
      await a.membership.update(id, { status: "free" });
      expect(await stateOf(world, "ann")).toMatchObject({ connections: [{ metadata: '{"status":"free"}' }] });
      await a.membership.update(id, undefined);
      expect((await stateOf(world, "ann"))?.connections).toEqual([{ userId: "ann", connectionId: id }]);
      await eventually(() => expect(world.roster).toHaveLength(3));
      expect(
        world.changes.map(({ kind, metadata, previousMetadata }) => ({ kind, metadata, previousMetadata })),
      ).toEqual([
        { kind: "online", metadata: { status: "busy" }, previousMetadata: undefined },
        { kind: "updated", metadata: { status: "free" }, previousMetadata: { status: "busy" } },
        { kind: "updated", metadata: undefined, previousMetadata: { status: "free" } },
      ]);
      expect(world.roster.map(({ kind, metadata }) => ({ kind, metadata }))).toEqual([
        { kind: "joined", metadata: { status: "busy" } },
        { kind: "updated", metadata: { status: "free" } },
        { kind: "updated", metadata: undefined },
      ]);
    });

    promise("refuses metadata that is too large or has no JSON, and changes nothing", async (world) => {
      const a = await world.start("a", { maxMetadataBytes: 10 });
      const circle: { self?: unknown } = {};
      circle.self = circle;
      for (const bad of [circle, 10n, () => 1]) {
        await expect(a.connect("ann", bad)).rejects.toMatchObject({ code: "payload-unserializable" });
      }
      await expect(a.connect("ann", "ü".repeat(5))).rejects.toMatchObject({ code: "payload-too-large" });
      expect(a.membership.stats()).toMatchObject({ connections: 0, users: 0 });
      const id = await a.connect("ann", "fits");
      await expect(a.membership.update(id, "x".repeat(9))).rejects.toMatchObject({ code: "payload-too-large" });
      await expect(a.membership.update("a.nobody", 1)).rejects.toMatchObject({ code: "not-found" });
      expect(await stateOf(world, "ann")).toMatchObject({ connections: [{ metadata: '"fits"' }] });
    });

    promise("takes a user offline once the grace period after the last connection ended", async (world) => {
      const a = await world.start("a", { offlineGraceMs: 200 });
      const b = await world.start("b", { offlineGraceMs: 200 });
      await world.listen("ann");
      const [one, two] = [await a.connect("ann"), await b.connect("ann")];
      await a.membership.close(one);
      await b.membership.close(two);
      expect(await stateOf(world, "ann")).toMatchObject({ isLeaving: true, connections: [] });
      await eventually(() => expect(world.changes.at(-1)?.kind).toBe("offline"));
      expect(await world.kinds()).toEqual(["online", "opened", "closed", "closed", "offline"]);
    });

    promise("takes a user who signs off offline at once, unless there is another device", async (world) => {
      const a = await world.start("a", { offlineGraceMs: 3_600_000 });
      await world.listen("ann");
      const [phone, desk] = [await a.connect("ann"), await a.connect("ann")];
      await a.membership.close(phone, { signOff: true });
      await a.membership.close(desk, { signOff: true });
      expect(await stateOf(world, "ann")).toMatchObject({ isLeaving: false, connections: [] });
      expect(await world.kinds()).toEqual(["online", "opened", "closed", "offline"]);
    });

    promise("moves users to another server without a word of going offline, when one shuts down", async (world) => {
      const a = await world.start("a", { offlineGraceMs: 3_600_000 });
      const b = await world.start("b");
      await world.listen("ann");
      await a.connect("ann");
      await a.membership.shutdown();
      await b.connect("ann");
      expect(await world.kinds()).toEqual(["online", "closed", "opened"]);
    });

    promise("takes offline who was leaving when the last server closed, as the next one starts", async (world) => {
      const a = await world.start("a", { offlineGraceMs: 50 });
      await world.listen("ann");
      await a.connect("ann");
      await a.membership.shutdown();
      await eventually(async () => {
        // The sweep of one start may come before the grace period ends; each further start sweeps again.
        const { membership } = await world.start("b");
        await membership.shutdown();
        expect(await stateOf(world, "ann")).toMatchObject({ isLeaving: false });
      });
      expect(await world.kinds()).toEqual(["online", "closed", "offline"]);
    });

    promise("a reprojection announces only connections opened since the lease was lost", async (world) => {
      const a = await world.start("a", { heartbeatIntervalMs: 400, leaseTtlMs: 500 });
      await world.listen("ann");
      const id = await a.connect("ann");
      await a.membership.join(id, "lobby");
      a.hangUp(true);
      await eventually(async () => expect((await world.store.servers.snapshot()).living).toEqual([]));
      const second = await a.connect("ann");
      await a.membership.join(second, "lobby");
      expect(a.membership.stats().reprojections).toBeGreaterThan(0);
      expect(await world.kinds()).toEqual(["online", "opened"]);
      expect(world.roster.map(({ kind, connectionId }) => [kind, connectionId])).toEqual([
        ["joined", id],
        ["joined", second],
      ]);
    });

    promise("announces its connections anew after others have announced that they are gone", async (world) => {
      const a = await world.start("a", { heartbeatIntervalMs: 400, leaseTtlMs: 500 });
      await world.listen("ann");
      await a.connect("ann");
      a.hangUp(true);
      const b = await world.start("b");
      await eventually(() => expect(b.membership.stats().reapedServers).toBe(1));
      a.hangUp(false);
      await eventually(() => expect(world.changes.map(({ kind }) => kind)).toEqual(["online", "offline", "online"]));
    });

    promise("lets the application restore its own, after everything else, until that succeeds", async (world) => {
      const restored: number[] = [];
      let failures = 2;
      const a = await world.start("a", {
        heartbeatIntervalMs: 400,
        leaseTtlMs: 500,
        onRestored: async () => {
          restored.push((await connectionIdsOf(world.store.users, "ann")).length);
          if (failures-- > 0) throw new Error("not yet");
        },
      });
      await a.connect("ann");
      a.hangUp(true);
      await eventually(async () => expect((await world.store.servers.snapshot()).living).toEqual([]));
      a.hangUp(false);
      await eventually(() => expect(restored).toHaveLength(3));
      expect(restored).toEqual([1, 1, 1]);
      await eventually(() => expect(a.membership.holdsLease).toBe(true));
    });

    promise("makes a record with the join that asks for one, which goes with the last member", async (world) => {
      const a = await world.start("a");
      const [one, two] = [await a.connect("ann"), await a.connect("bob")];
      await a.membership.join(one, "lobby");
      expect(await world.store.roomRecords.get("lobby")).toBeUndefined();
      await a.membership.join(one, "chess", { record: "1" });
      await a.membership.join(two, "chess", { record: "1" });
      expect(await world.store.roomRecords.get("chess")).toMatchObject({ room: "chess", value: "1" });
      await a.membership.close(one);
      expect(await world.store.counts.of("roomRecords")).toBe(1);
      await a.membership.leave(two, "chess");
      expect(await world.store.roomRecords.get("chess")).toBeUndefined();
    });

    promise("writes metadata after a later heartbeat that the store could not take", async (world) => {
      const store = await world.start("other").then((server) => server.store);
      const errors: CmError[] = [];
      let isAway = false;
      const users: Store["users"] = {
        ...store.users,
        add: (...args) => {
          const isUpdate = args[2]?.onlyExisting === true;
          return isAway && isUpdate ? Promise.reject(new Error("The store hiccups.")) : store.users.add(...args);
        },
      };
      const { servers, connections, rooms, partitions, upkeep, link } = store;
      const a = await world.start("a", {
        store: { servers, connections, rooms, users, partitions, upkeep, link },
        onError: (error) => errors.push(error),
      });
      const id = await a.connect("ann", 1);
      isAway = true;
      await expect(a.membership.update(id, 2)).rejects.toThrow("hiccups");
      await eventually(() => expect(errors.length).toBeGreaterThan(0));
      expect(await stateOf(world, "ann")).toMatchObject({ connections: [{ metadata: "1" }] });
      isAway = false;
      await eventually(async () =>
        expect(await stateOf(world, "ann")).toMatchObject({ connections: [{ metadata: "2" }] }),
      );
    });
  });
}
