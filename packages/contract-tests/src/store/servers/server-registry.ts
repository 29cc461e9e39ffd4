import { createConnectionIdSource, isCmError } from "@cm/protocol";
import { describe, expect } from "vitest";
import type { HarnessFactory } from "../store-harness.js";
import {
  bringUp,
  claimDead,
  LONG_MS,
  letDie,
  outcomeOf,
  passUntil,
  registrationOf,
  SHORT_MS,
  scenarios,
  times,
} from "../store-scenarios.js";

const NOTHING = { connections: 0, rooms: 0 };

/** Contract tests for `ServerRegistry`. */
export function describeServerRegistry(name: string, createHarness: HarnessFactory): void {
  const it = scenarios(createHarness);
  const successorOf = (serverId: string) => registrationOf(createConnectionIdSource({ serverId }));

  describe(`${name}: server registry`, () => {
    it("lists a living server with all its reported data, in every store", async ({ store, peer }) => {
      const registration = { ...successorOf("alpha"), host: "fe80::1%eth0|a b", port: 65_535 };
      const lease = await store.servers.acquire(registration, LONG_MS);
      const { serverId, incarnation } = registration;
      expect(lease).toMatchObject({ serverId, incarnation, ttlMs: LONG_MS });
      for (const { servers } of [store, await peer()]) {
        const [info, ...others] = (await servers.snapshot()).living;
        expect(others).toEqual([]);
        expect(info).toMatchObject({ ...registration, ...NOTHING, token: lease.token, expiresAtMs: lease.expiresAtMs });
        expect(info?.startedAt).toBeLessThan(lease.expiresAtMs);
        expect(info?.lastHeartbeat).toBeGreaterThanOrEqual(info?.startedAt ?? Number.NaN);
      }
    });

    it("lists no server at first, and all when there are several", async ({ store }) => {
      expect((await store.servers.snapshot()).living).toEqual([]);
      await Promise.all(times(25, (i) => bringUp(store, `server-${i}`)));
      const listed = (await store.servers.snapshot()).living.map(({ serverId }) => serverId);
      expect(listed.sort()).toEqual(times(25, (i) => `server-${i}`).sort());
    });

    it("stores the server's counters with each heartbeat, and when its lease expires", async (harness) => {
      const { servers } = harness.store;
      const { lease } = await bringUp(harness.store, "alpha");
      const [before] = (await servers.snapshot()).living;
      await harness.letTimePass(SHORT_MS);
      const counters = { connections: 10_000, rooms: 321 };
      const renewal = await servers.renew(lease, counters);
      expect(renewal.lease).toMatchObject({ token: lease.token, ttlMs: LONG_MS, incarnation: lease.incarnation });
      expect(renewal.lease.expiresAtMs).toBeGreaterThan(lease.expiresAtMs);
      const [after] = (await servers.snapshot()).living;
      expect(after).toMatchObject({ ...counters, startedAt: before?.startedAt, token: lease.token });
      expect(after?.expiresAtMs).toBe(renewal.lease.expiresAtMs);
      expect(after?.lastHeartbeat).toBeGreaterThan(before?.lastHeartbeat ?? Number.NaN);
    });

    it("keeps a server alive over many times its ttl, as long as it renews", async (harness) => {
      const { servers } = harness.store;
      const ttlMs = 20 * SHORT_MS;
      let lease = await servers.acquire(successorOf("alpha"), ttlMs);
      const untilMs = lease.expiresAtMs + ttlMs;
      while (lease.expiresAtMs <= untilMs) {
        await harness.letTimePass(ttlMs / 8);
        ({ lease } = await servers.renew(lease, NOTHING));
        expect((await servers.snapshot()).living).toHaveLength(1);
      }
    });

    it("refuses another incarnation while the holder lives, and leaves the holder alone", async ({ store, peer }) => {
      const { lease } = await bringUp(store, "alpha");
      const other = await peer();
      const refusal: unknown = await other.servers.acquire(successorOf("alpha"), LONG_MS).catch((error) => error);
      expect(isCmError(refusal) && refusal.code).toBe("server-id-taken");
      expect((await store.servers.renew(lease, NOTHING)).lease.token).toBe(lease.token);
    });

    it("gives an id to one of many that ask for it at once", async ({ store, peer }) => {
      const stores = [store, await peer()];
      const outcomes = await Promise.all(
        times(20, (i) => outcomeOf((stores[i % 2] ?? store).servers.acquire(successorOf("alpha"), LONG_MS))),
      );
      expect(outcomes.filter((outcome) => outcome === "done")).toHaveLength(1);
      expect(outcomes.filter((outcome) => outcome === "server-id-taken")).toHaveLength(19);
    });

    it("draws a greater token for the same incarnation, and refuses its old one from then on", async ({ store }) => {
      const { servers } = store;
      const { lease: old, registration } = await bringUp(store, "alpha");
      const fresh = await servers.acquire(registration, LONG_MS);
      expect(fresh.token).toBeGreaterThan(old.token);
      expect(await outcomeOf(servers.renew(old, { connections: 9, rooms: 9 }))).toBe("lease-lost");
      await servers.unregister(old);
      expect((await servers.snapshot()).living).toMatchObject([{ token: fresh.token, ...NOTHING }]);
      expect((await servers.renew(fresh, NOTHING)).lease.token).toBe(fresh.token);
    });

    it("draws greater tokens over releases, expiries and cleanups, and for other incarnations", async (harness) => {
      const { servers } = harness.store;
      const first = await bringUp(harness.store, "alpha");
      await servers.unregister(first.lease);
      const second = await bringUp(harness.store, "alpha");
      const third = await letDie(harness, second);
      const fourth = await servers.acquire(second.registration, LONG_MS);
      await letDie(harness, second);
      await servers.unregister(await claimDead(harness.store, "alpha"));
      const last = await bringUp(harness.store, "alpha");
      const tokens = [first.lease, second.lease, third, fourth, last.lease].map(({ token }) => token);
      expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b));
    });

    it("omits a server everywhere once its lease has expired, and does not renew it", async (harness) => {
      const other = await harness.peer();
      const dead = await bringUp(harness.store, "alpha");
      const living = await bringUp(harness.store, "beta");
      const lease = await letDie(harness, dead);
      for (const { servers } of [harness.store, other]) {
        expect((await servers.snapshot()).living).toMatchObject([{ serverId: "beta", token: living.lease.token }]);
        expect(await outcomeOf(servers.renew(lease, NOTHING))).toBe("lease-lost");
      }
      expect((await harness.store.servers.snapshot()).living).toHaveLength(1);
    });

    it("lets the same incarnation acquire an expired lease again", async (harness) => {
      const { servers } = harness.store;
      const server = await bringUp(harness.store, "alpha");
      const lost = await letDie(harness, server);
      const lease = await servers.acquire(server.registration, LONG_MS);
      expect(lease.token).toBeGreaterThan(lost.token);
      expect((await servers.snapshot()).living).toMatchObject([{ serverId: "alpha", token: lease.token }]);
      expect((await servers.renew(lease, NOTHING)).expired).toEqual([]);
    });

    it("refuses another incarnation after a death, and says that there is something to clean up", async (harness) => {
      const dead = await bringUp(harness.store, "alpha");
      await letDie(harness, dead);
      const refusal: unknown = await harness.store.servers
        .acquire(successorOf("alpha"), LONG_MS)
        .catch((error) => error);
      expect(refusal).toMatchObject({ code: "server-id-expired", retryable: true });
    });

    it("frees the id on release, once, and only for the token that holds it", async ({ store }) => {
      const { servers } = store;
      const { lease } = await bringUp(store, "alpha");
      const observer = await bringUp(store, "observer");
      await servers.unregister({ ...lease, token: lease.token - 1 });
      expect((await servers.snapshot()).living).toHaveLength(2);
      await servers.unregister(lease);
      expect((await servers.snapshot()).living).toMatchObject([{ serverId: "observer" }]);
      expect(await outcomeOf(servers.renew(lease, NOTHING))).toBe("lease-lost");
      expect((await servers.renew(observer.lease, NOTHING)).expired).toEqual([]);
      const next = await bringUp(store, "alpha");
      await servers.unregister(lease);
      expect((await servers.renew(next.lease, NOTHING)).lease.token).toBe(next.lease.token);
    });

    it("names dead servers with each renewal until they are cleaned up", async (harness) => {
      const { servers } = harness.store;
      const { lease } = await bringUp(harness.store, "observer");
      await bringUp(harness.store, "living");
      for (const serverId of ["dead-1", "dead-2"]) await letDie(harness, await bringUp(harness.store, serverId));
      const expired = async () => [...(await servers.renew(lease, NOTHING)).expired].sort();
      expect(await expired()).toEqual(["dead-1", "dead-2"]);
      expect(await expired()).toEqual(["dead-1", "dead-2"]);
      await servers.unregister(await claimDead(harness.store, "dead-1"));
      expect(await expired()).toEqual(["dead-2"]);
    });

    it("lists the servers that may be alive, and those that went and did not come back", async (harness) => {
      const { servers } = harness.store;
      await bringUp(harness.store, "observer");
      const started = await servers.snapshot();
      expect(started).toMatchObject({ living: [{ serverId: "observer" }], lapsed: [], recentlyGone: [] });
      const released = await bringUp(harness.store, "released");
      const dead = await bringUp(harness.store, "dead");
      await letDie(harness, dead);
      // Whether `dead` is late or gone is not known yet.
      const between = await servers.snapshot();
      expect(between.living.map(({ serverId }) => serverId).sort()).toEqual(["observer", "released"]);
      const { serverId, incarnation } = dead.registration;
      expect(between.lapsed).toEqual([{ serverId, incarnation, isRegistered: true }]);
      await servers.unregister(released.lease);
      await servers.unregister(released.lease);
      await servers.unregister(await claimDead(harness.store, "dead"));
      await harness.letTimePass(SHORT_MS);
      const { living, lapsed, recentlyGone, knownForMs } = await (await harness.peer()).servers.snapshot();
      expect([...living, ...lapsed]).toMatchObject([{ serverId: "observer" }]);
      expect(recentlyGone.map(({ serverId }) => serverId).sort()).toEqual(["dead", "released"]);
      for (const { agoMs } of recentlyGone) expect(agoMs).toBeGreaterThan(0);
      expect(knownForMs).toBeGreaterThan(Math.max(...recentlyGone.map(({ agoMs }) => agoMs)));
    });

    it("lists the same incarnation that came back as present, and another one under its id only as itself", async (harness) => {
      const { servers } = harness.store;
      await bringUp(harness.store, "observer");
      const [same, other] = [await bringUp(harness.store, "same"), await bringUp(harness.store, "other")];
      for (const server of [same, other]) {
        await letDie(harness, server);
        await servers.unregister(await claimDead(harness.store, server.lease.serverId));
      }
      await servers.acquire(same.registration, LONG_MS);
      await servers.acquire(successorOf("other"), LONG_MS);
      const { living, lapsed, recentlyGone } = await servers.snapshot();
      expect(living.map((server) => server.serverId).sort()).toEqual(["observer", "other", "same"]);
      expect(lapsed).toEqual([]);
      expect(recentlyGone.map(({ serverId }) => serverId)).toEqual(["other"]);
    });

    it("remembers the departures of a thousand servers", async (harness) => {
      const { servers } = harness.store;
      await bringUp(harness.store, "observer");
      const come = (n: number) => Promise.all(times(n, (i) => servers.acquire(successorOf(`s-${i}`), LONG_MS)));
      await harness.letTimePass(5);
      const [first] = await come(1);
      if (first !== undefined) await servers.unregister(first);
      await harness.letTimePass(5);
      for (const lease of await come(999)) await servers.unregister(lease);
      const full = await servers.snapshot();
      expect(full.recentlyGone).toHaveLength(1_000);
      const oldest = Math.max(...full.recentlyGone.map(({ agoMs }) => agoMs));
      expect(full.knownForMs).toBeGreaterThanOrEqual(oldest);
      await harness.letTimePass(5);
      for (const lease of await come(1)) await servers.unregister(lease);
      const { recentlyGone, knownForMs } = await servers.snapshot();
      expect(recentlyGone.length).toBeLessThanOrEqual(1_000);
      expect(Math.max(...recentlyGone.map(({ agoMs }) => agoMs))).toBeLessThanOrEqual(knownForMs);
      expect(recentlyGone.length).toBeGreaterThan(0);
    });

    it("names at most 100 of them at a time", async (harness) => {
      const { servers } = harness.store;
      const { lease } = await bringUp(harness.store, "observer");
      await Promise.all(times(105, (i) => servers.acquire(successorOf(`dead-${i}`), SHORT_MS)));
      await passUntil(harness, async () => (await servers.snapshot()).living.length === 1);
      const { expired } = await servers.renew(lease, NOTHING);
      expect(expired).toHaveLength(100);
      expect(new Set(expired).size).toBe(100);
    });
  });
}
