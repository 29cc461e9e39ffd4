import type { HarnessFactory } from "@cm/contract-tests/store";
import { createConnectionIdSource, type Store } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { describe, expect, it, onTestFinished } from "vitest";
import { type CheckedServer, hearAll, startChecked } from "./owner-reconciler-suite.fixture.js";

/** Time to live of a lease: long enough for a slow machine's heartbeats, and short enough for a test to wait for. */
export const LEASE_MS = 1_500;

/** The entries that a dead server has left. */
export interface Ghosts {
  readonly serverId: string;
  readonly users: readonly string[];
  readonly connectionIds: readonly string[];
}

/** Starts a server with a short lease, so that it reconciles shared state soon. */
export function startReconciling(store: Store, serverId: string): Promise<CheckedServer> {
  return startChecked(store, { leaseTtlMs: LEASE_MS }, serverId);
}

/** Registers a server with members and users whose records are lost, and which dies soon. */
export async function leaveWithoutRecords(store: Store, serverId: string, connections: number): Promise<Ghosts> {
  const ids = createConnectionIdSource({ serverId });
  const { incarnation, partitionBits } = ids;
  const registration = { serverId, incarnation, partitionBits, host: "127.0.0.1", port: 1 };
  const lease = await store.servers.acquire(registration, 20_000);
  const all = Array.from({ length: connections }, (_, i) => ({ connectionId: ids.next(), userId: `user-${i}` }));
  await store.users.add(lease, all);
  await store.rooms.join(lease, "lobby", all);
  await store.servers.acquire(registration, 100);
  return {
    serverId,
    users: all.map(({ userId }) => userId),
    connectionIds: all.map(({ connectionId }) => connectionId).sort(),
  };
}

/** Number of stray entries that these servers have removed together, by kind. */
export function removed(servers: readonly CheckedServer[]): { readonly member: number; readonly user: number } {
  const all = servers.map(({ membership }) => membership.stats().drift.stray);
  const sumOf = (kind: "member" | "user"): number => all.reduce((sum, counts) => sum + counts[kind], 0);
  return { member: sumOf("member"), user: sumOf("user") };
}

/** Contract tests for a membership's guarantees about shared state that no single server owns. */
export function describeSharedStateReconciler(name: string, createHarness: HarnessFactory): void {
  describe(`shared state on ${name}`, () => {
    it("is removed if a dead server's records were lost, and announced once, regardless of which server finds it", async () => {
      const harness = await createHarness();
      onTestFinished(() => harness.close());
      const { store } = harness;
      const servers = [await startReconciling(store, "a"), await startReconciling(await harness.peer(), "b")];
      const ann = await servers[0]?.connect("ann");
      await servers[0]?.membership.join(ann ?? "", "lobby");
      const ghosts = await leaveWithoutRecords(store, "dead", 40);
      const { presence, rosters } = await hearAll(store, ghosts.users, ["lobby"]);
      const reaped = (): number => servers.reduce((sum, { membership }) => sum + membership.stats().reapedServers, 0);
      await eventually(() => expect(reaped()).toBe(1));
      // The entries that the cleanup did not find are still counted.
      expect([await store.counts.of("users"), presence.length, rosters.length]).toEqual([41, 0, 0]);
      await eventually(async () => expect(await store.counts.of("users")).toBe(1));
      await eventually(() => expect([presence.length, rosters.length]).toEqual([40, 40]));
      await eventually(() => expect(removed(servers)).toEqual({ member: 40, user: 40 }));
      expect(presence.map(({ kind, userId }) => `${kind} ${userId}`).sort()).toEqual(
        ghosts.users.map((userId) => `offline ${userId}`).sort(),
      );
      expect(rosters.map(({ connectionId }) => connectionId).sort()).toEqual(ghosts.connectionIds);
      expect(new Set(rosters.map(({ kind, reason }) => `${kind} ${reason}`))).toEqual(new Set(["left lost"]));
      expect((await store.rooms.members("lobby", { limit: 100 })).items).toEqual([
        { connectionId: ann, userId: "ann" },
      ]);
      expect(await store.counts.of("connections")).toBe(1);
    });
  });
}
