import { createConnectionIdSource } from "@cm/protocol";
import { describe, expect } from "vitest";
import type { HarnessFactory } from "../store-harness.js";
import {
  bringUp,
  claimDead,
  LONG_MS,
  letDie,
  loseClaim,
  outcomeOf,
  passUntil,
  registrationOf,
  SHORT_MS,
  scenarios,
  times,
} from "../store-scenarios.js";

/** Contract tests for `ServerUpkeep` about reaping. */
export function describeServerReaping(name: string, createHarness: HarnessFactory): void {
  const it = scenarios(createHarness);
  const successorOf = (serverId: string) => registrationOf(createConnectionIdSource({ serverId }));

  describe(`${name}: server reaping`, () => {
    it("refuses a claim on a server that is alive, was released, or is unknown", async ({ store }) => {
      const released = await bringUp(store, "released");
      await bringUp(store, "living");
      await store.servers.unregister(released.lease);
      for (const serverId of ["living", "released", "unknown"]) {
        expect(await store.upkeep.servers.claim({ serverId }, "reaper", LONG_MS)).toBeUndefined();
      }
    });

    it("gives a dead server to one of many claimants, with what cleaning up needs", async (harness) => {
      const { registration } = await bringUp(harness.store, "dead").then(async (server) => {
        await letDie(harness, server);
        return server;
      });
      const stores = [harness.store, await harness.peer()];
      const claims = await Promise.all(
        times(20, (i) =>
          (stores[i % 2] ?? harness.store).upkeep.servers.claim({ serverId: "dead" }, `claimant-${i}`, LONG_MS),
        ),
      );
      const won = claims.filter((claim) => claim !== undefined);
      const { serverId, incarnation, partitionBits } = registration;
      expect(won).toHaveLength(1);
      expect(won).toMatchObject([{ serverId, incarnation, partitionBits }]);
    });

    it("lets only the claimant claim again, which extends the claim", async (harness) => {
      const { upkeep } = harness.store;
      await letDie(harness, await bringUp(harness.store, "dead"));
      const first = await claimDead(harness.store, "dead", "mine");
      await harness.letTimePass(SHORT_MS);
      const second = await claimDead(harness.store, "dead", "mine");
      expect(second.expiresAtMs).toBeGreaterThan(first.expiresAtMs);
      expect(await upkeep.servers.claim({ serverId: "dead" }, "other", LONG_MS)).toBeUndefined();
    });

    it("gives an expired claim to another server, and refuses the first claimant's writes", async (harness) => {
      const { servers, upkeep } = harness.store;
      await letDie(harness, await bringUp(harness.store, "dead"));
      const observer = await bringUp(harness.store, "observer");
      const { lost, held } = await loseClaim(harness, "dead");
      expect(held.expiresAtMs).toBeGreaterThan(lost.expiresAtMs);
      expect(await upkeep.servers.claim({ serverId: "dead" }, "too-slow", LONG_MS)).toBeUndefined();
      await servers.unregister(lost);
      expect((await servers.renew(observer.lease, { connections: 0, rooms: 0 })).expired).toEqual(["dead"]);
      expect(await upkeep.servers.claim({ serverId: "dead" }, "third", LONG_MS)).toBeUndefined();
    });

    it("names those that were unregistered since a server's last heartbeat", async (harness) => {
      const { servers } = harness.store;
      const observer = await bringUp(harness.store, "observer");
      const renew = () => servers.renew(observer.lease, { connections: 0, rooms: 0 });
      await letDie(harness, await bringUp(harness.store, "dead"));
      await servers.unregister(await claimDead(harness.store, "dead"));
      expect(await renew()).toMatchObject({ expired: [], unregistered: ["dead"] });
      await harness.letTimePass(5);
      await renew();
      expect((await renew()).unregistered).toEqual([]);
    });

    it("forgets an unregistered server, so that another incarnation may take its id", async (harness) => {
      const { servers, upkeep } = harness.store;
      await letDie(harness, await bringUp(harness.store, "dead"));
      const claim = await claimDead(harness.store, "dead");
      await servers.unregister(claim);
      await servers.unregister(claim);
      expect(await upkeep.servers.claim({ serverId: "dead" }, "reaper", LONG_MS)).toBeUndefined();
      const { lease } = await bringUp(harness.store, "dead");
      await servers.unregister(claim);
      expect((await servers.snapshot()).living).toMatchObject([{ serverId: "dead", token: lease.token }]);
    });

    it("refuses every incarnation while a server cleans up, even the same one", async (harness) => {
      const { servers } = harness.store;
      const server = await bringUp(harness.store, "dead");
      await letDie(harness, server);
      await claimDead(harness.store, "dead");
      for (const registration of [server.registration, successorOf("dead")]) {
        const refusal: unknown = await servers.acquire(registration, LONG_MS).catch((error) => error);
        expect(refusal).toMatchObject({ code: "server-id-expired" });
      }
      expect((await servers.snapshot()).living).toEqual([]);
    });

    it("accepts the same incarnation after the claim has expired, and refuses to claim or unregister it then", async (harness) => {
      const { servers, upkeep } = harness.store;
      const server = await bringUp(harness.store, "dead");
      await letDie(harness, server);
      const claim = await upkeep.servers.claim({ serverId: "dead" }, "too-slow", SHORT_MS);
      if (claim === undefined) throw new Error("The dead server could not be claimed.");
      await passUntil(harness, async () => (await outcomeOf(servers.acquire(server.registration, LONG_MS))) === "done");
      await servers.unregister(claim);
      expect(await upkeep.servers.claim({ serverId: "dead" }, "reaper", LONG_MS)).toBeUndefined();
      expect((await servers.snapshot()).living).toMatchObject([{ serverId: "dead" }]);
    });

    it("marks the lease of an incarnation that comes back after it was unregistered as reaped, once, and keeps the mark over renewals", async (harness) => {
      const { servers } = harness.store;
      const server = await bringUp(harness.store, "dead");
      expect(server.lease.wasReaped).toBe(false);
      await letDie(harness, server);
      await servers.unregister(await claimDead(harness.store, "dead"));
      const lease = await servers.acquire(server.registration, LONG_MS);
      expect(lease.wasReaped).toBe(true);
      expect((await servers.renew(lease, { connections: 0, rooms: 0 })).lease.wasReaped).toBe(true);
      const next = await servers.acquire(server.registration, LONG_MS);
      expect(next.wasReaped).toBe(false);
      expect((await servers.renew(next, { connections: 0, rooms: 0 })).lease.wasReaped).toBe(false);
    });

    it("marks a lease as reaped even if the cleanup had only begun", async (harness) => {
      const { servers, upkeep } = harness.store;
      const server = await bringUp(harness.store, "dead");
      await letDie(harness, server);
      await upkeep.servers.claim({ serverId: "dead" }, "too-slow", SHORT_MS);
      let wasReaped: boolean | undefined;
      await passUntil(harness, async () => {
        const acquired = await servers.acquire(server.registration, LONG_MS).catch(() => undefined);
        wasReaped = acquired?.wasReaped;
        return acquired !== undefined;
      });
      expect(wasReaped).toBe(true);
      expect((await servers.acquire(server.registration, LONG_MS)).wasReaped).toBe(false);
    });

    it("does not mark a lease that merely expired or was released, nor one of another incarnation", async (harness) => {
      const { servers } = harness.store;
      const late = await bringUp(harness.store, "late");
      await letDie(harness, late);
      expect((await servers.acquire(late.registration, LONG_MS)).wasReaped).toBe(false);
      const released = await bringUp(harness.store, "released");
      await servers.unregister(released.lease);
      expect((await servers.acquire(released.registration, LONG_MS)).wasReaped).toBe(false);
      await letDie(harness, await bringUp(harness.store, "dead"));
      await servers.unregister(await claimDead(harness.store, "dead"));
      expect((await bringUp(harness.store, "dead")).lease.wasReaped).toBe(false);
    });
  });
}
