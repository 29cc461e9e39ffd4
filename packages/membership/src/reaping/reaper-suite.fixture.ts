import { setTimeout as sleep } from "node:timers/promises";
import type { HarnessFactory } from "@cm/contract-tests/store";
import { createConnectionIdSource, type ReapClaim, type Store, type StoreUpkeep } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { describe, expect, it, onTestFinished } from "vitest";
import { hearAll, startChecked } from "../reconcile/owner-reconciler-suite.fixture.js";

const SHORT_LEASE_MS = 300;

interface DeadServer {
  readonly serverId: string;
  readonly connectionIds: readonly string[];
}

/** Registers a server with connections whose lease expires soon, after which the server counts as dead. */
async function leaveDead(store: Store, serverId: string, connections: number, capacity = 1_000): Promise<DeadServer> {
  const ids = createConnectionIdSource({ serverId, capacity });
  const { incarnation, partitionBits } = ids;
  const registration = { serverId, incarnation, partitionBits, host: "127.0.0.1", port: 1 };
  const lease = await store.servers.acquire(registration, 5_000);
  const records = Array.from({ length: connections }, (_, i) => ({
    connectionId: ids.next(),
    userId: `user-${i}`,
    connectedAt: 1,
    lastSeen: 1,
    rooms: ["lobby"],
  }));
  await store.connections.put(lease, records);
  await store.users.add(lease, records);
  await store.rooms.join(lease, "lobby", records);
  // The same incarnation acquires the lease again with a short TTL.
  await store.servers.acquire(registration, SHORT_LEASE_MS);
  return { serverId, connectionIds: records.map(({ connectionId }) => connectionId) };
}

/** Contract tests for a membership's guarantees about cleaning up after dead servers. */
export function describeReaping(name: string, createHarness: HarnessFactory): void {
  describe(`reaping on ${name}`, () => {
    it("announces each departure once, even if the first reaper dies during the cleanup", async () => {
      const harness = await createHarness();
      onTestFinished(() => harness.close());
      const { store } = harness;
      const dead = await leaveDead(store, "dead", 60);
      const users = Array.from({ length: 60 }, (_, i) => `user-${i}`);
      const { presence, rosters } = await hearAll(store, users, ["lobby"]);
      // The first reaper clears a few record partitions and then stops permanently.
      const claim = await eventually(async (): Promise<ReapClaim> => {
        const won = await store.upkeep.servers.claim({ serverId: dead.serverId }, "first", 400);
        if (won === undefined) throw new Error("It lives.");
        return won;
      });
      for (let recordPartition = 0; recordPartition < 3; recordPartition++) {
        const records = await store.upkeep.projection.held(claim, "records", recordPartition);
        await store.upkeep.projection.evict(claim, { users: records });
        // The reaper dies during the last record partition: the memberships are removed, the records are not.
        if (recordPartition < 2) await store.upkeep.projection.evict(claim, { recordPartition });
      }
      const lost: string[] = [];
      const second = await startChecked(await harness.peer(), {
        reapClaimMs: 1_000,
        onServersLost: (ids) => lost.push(...ids),
      });
      await eventually(() => expect(second.membership.stats().reapedServers).toBe(1));
      await eventually(() => expect(rosters).toHaveLength(60));
      await eventually(() => expect(presence).toHaveLength(60));
      expect(rosters.map(({ connectionId }) => connectionId).sort()).toEqual([...dead.connectionIds].sort());
      expect(new Set(rosters.map(({ kind, reason }) => `${kind} ${reason}`))).toEqual(new Set(["left lost"]));
      expect(presence.map(({ userId }) => userId).sort()).toEqual([...users].sort());
      expect(new Set(presence.map(({ kind }) => kind))).toEqual(new Set(["offline"]));
      expect(lost).toEqual(["dead"]);
      expect(await store.counts.of("rooms")).toBe(0);
    });

    it("extends its claim while it continues, so that no other server begins", async () => {
      const harness = await createHarness();
      onTestFinished(() => harness.close());
      const { store } = harness;
      // A capacity of 4,000 gives 64 record partitions.
      await leaveDead(store, "dead", 60, 4_000);
      const { rosters } = await hearAll(store, [], ["lobby"]);
      let slowPartitions = 0;
      const { upkeep } = store;
      const projection: StoreUpkeep["projection"] = {
        renew: (lease, parts) => upkeep.projection.renew(lease, parts),
        held: async (right, kind, partition) => {
          // The server also reads its own record partitions, under its lease.
          if (kind === "records" && right.serverId === "dead") {
            slowPartitions++;
            // All record partitions together take longer than a claim lasts.
            await sleep(200);
          }
          return upkeep.projection.held(right, kind, partition);
        },
        evict: (claim, what) => upkeep.projection.evict(claim, what),
        endGracePeriods: (partitions) => upkeep.projection.endGracePeriods(partitions),
        reconcile: (kind, partition) => upkeep.projection.reconcile(kind, partition),
      };
      const started = await startChecked(store, { reapClaimMs: 1_000 }, "slow", {
        upkeep: { ...upkeep, projection },
      });
      await eventually(() => expect(slowPartitions).toBeGreaterThan(0));
      const other = await startChecked(await harness.peer(), { reapClaimMs: 1_000 }, "other");
      await eventually(() => expect(started.membership.stats().reapedServers).toBe(1));
      expect(slowPartitions).toBeGreaterThan(5);
      expect(other.membership.stats().reapedServers).toBe(0);
      await eventually(() => expect(rosters).toHaveLength(60));
    });

    it("does not keep a process from starting under a dead one's id when the first that cleans up dies in the midst", async () => {
      const harness = await createHarness();
      onTestFinished(() => harness.close());
      const { store } = harness;
      await leaveDead(store, "dead", 10);
      await eventually(async () =>
        expect(await store.upkeep.servers.claim({ serverId: "dead" }, "first", 700)).toBeDefined(),
      );
      const successor = await startChecked(await harness.peer(), { reapClaimMs: 1_000 }, "dead");
      expect(successor.membership.stats()).toMatchObject({ reapedServers: 1, connections: 0 });
      expect(await store.counts.of("connections")).toBe(0);
    });

    it("is finished by a server that is shut down meanwhile, which reports nothing of its own end", async () => {
      const harness = await createHarness();
      onTestFinished(() => harness.close());
      const { store } = harness;
      await leaveDead(store, "dead", 60);
      const { upkeep } = store;
      let recordPartitions = 0;
      const held: StoreUpkeep["projection"]["held"] = async (right, kind, partition) => {
        if (right.serverId === "dead") {
          recordPartitions++;
          await sleep(2);
        }
        return upkeep.projection.held(right, kind, partition);
      };
      const projection = Object.assign(Object.create(upkeep.projection) as StoreUpkeep["projection"], { held });
      const errors: string[] = [];
      const onError = (error: Error): void => void errors.push(error.message);
      const { membership } = await startChecked(store, { onError }, "short", { upkeep: { ...upkeep, projection } });
      await eventually(() => expect(recordPartitions).toBeGreaterThan(0));
      await membership.shutdown();
      expect(membership.stats().reapedServers).toBe(1);
      expect(errors).toEqual([]);
      await startChecked(await harness.peer(), {}, "dead");
    });

    it("notifies a server of a dead one at a check of its lease, which its next heartbeat would not report", async () => {
      const harness = await createHarness();
      onTestFinished(() => harness.close());
      const lost: string[] = [];
      const { membership } = await startChecked(
        await harness.peer(),
        {
          heartbeatIntervalMs: 60_000,
          leaseTtlMs: 180_000,
          deadAfterMs: 0,
          onServersLost: (ids) => lost.push(...ids),
        },
        "slow",
      );
      await leaveDead(harness.store, "dead", 10);
      const cleaner = await startChecked(await harness.peer(), {}, "cleaner");
      await eventually(() => expect(cleaner.membership.stats().reapedServers).toBe(1));
      expect(lost).toEqual([]);
      expect(await membership.checkLease()).toBe(true);
      expect(lost).toEqual(["dead"]);
      expect(await membership.checkLease()).toBe(true);
      expect(lost).toEqual(["dead"]);
    });

    it("distributes several dead servers among the survivors, each to one", async () => {
      const harness = await createHarness();
      onTestFinished(() => harness.close());
      const lost = new Map<string, string[]>([
        ["x", []],
        ["y", []],
      ]);
      const survivors = await Promise.all(
        [...lost].map(async ([serverId, ids]) =>
          startChecked(await harness.peer(), { onServersLost: (more) => ids.push(...more) }, serverId),
        ),
      );
      const dead = await Promise.all(Array.from({ length: 6 }, (_, i) => leaveDead(harness.store, `dead-${i}`, 10)));
      const reaped = () => survivors.reduce((sum, { membership }) => sum + membership.stats().reapedServers, 0);
      await eventually(() => expect(reaped()).toBe(6));
      expect(await harness.store.counts.of("connections")).toBe(0);
      // Every server is notified of each dead server, whichever server cleaned up.
      const names = dead.map(({ serverId }) => serverId).sort();
      for (const ids of lost.values()) await eventually(() => expect([...ids].sort()).toEqual(names));
    });
  });
}
