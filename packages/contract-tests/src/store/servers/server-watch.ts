import { describe, expect } from "vitest";
import type { HarnessFactory } from "../store-harness.js";
import { bringUp, LONG_MS, letDie, SHORT_MS, scenarios } from "../store-scenarios.js";

const COUNTERS = { connections: 0, rooms: 0 };

/** Contract tests for `ServerUpkeep` about servers that send no sign of life. */
export function describeServerWatch(name: string, createHarness: HarnessFactory): void {
  const it = scenarios(createHarness);

  describe(`${name}: server watch`, () => {
    it("names servers that sent no sign of life for a while although their leases are valid", async (harness) => {
      const { upkeep } = harness.store;
      const [silent, speaking] = [await bringUp(harness.store, "silent"), await bringUp(harness.store, "speaking")];
      expect(await upkeep.servers.watch(silent.lease, SHORT_MS)).toEqual({ isHeld: true, speaking: 1, silent: [] });
      await harness.letTimePass(2 * SHORT_MS);
      const { serverId, incarnation } = silent.registration;
      expect(await upkeep.servers.watch(speaking.lease, SHORT_MS)).toEqual({
        isHeld: true,
        speaking: 1,
        silent: [{ serverId, incarnation }],
      });
      expect(await upkeep.servers.watch(speaking.lease, LONG_MS)).toEqual({ isHeld: true, speaking: 2, silent: [] });
      await upkeep.servers.watch(silent.lease, SHORT_MS);
      expect(await upkeep.servers.watch(speaking.lease, SHORT_MS)).toEqual({ isHeld: true, speaking: 2, silent: [] });
    });

    it("ends the lease of a silent server to which nothing listens, so that it can be claimed", async (harness) => {
      const { servers, upkeep } = harness.store;
      const [dead, observer] = [await bringUp(harness.store, "dead"), await bringUp(harness.store, "observer")];
      await upkeep.servers.watch(dead.lease, SHORT_MS);
      expect(await upkeep.servers.expire(dead.registration, LONG_MS)).toBe("recent");
      expect(await upkeep.servers.claim({ serverId: "dead" }, "observer", LONG_MS)).toBeUndefined();
      await harness.letTimePass(2 * SHORT_MS);
      expect(await upkeep.servers.expire(dead.registration, SHORT_MS)).toBe("expired");
      expect(await upkeep.servers.expire(dead.registration, SHORT_MS)).toBe("expired");
      expect((await servers.snapshot()).living.map(({ serverId }) => serverId)).toEqual(["observer"]);
      expect((await servers.renew(observer.lease, COUNTERS)).expired).toEqual(["dead"]);
      const claim = await upkeep.servers.claim({ serverId: "dead" }, "observer", LONG_MS);
      expect(claim).toMatchObject({ serverId: "dead" });
      if (claim !== undefined) await servers.unregister(claim);
      expect((await upkeep.servers.watch(observer.lease, SHORT_MS)).silent).toEqual([]);
    });

    it("leaves one alone whose channel is listened to, or that never gave a sign of life", async (harness) => {
      const { store } = harness;
      const other = await harness.peer();
      const [listening, quiet] = [await bringUp(store, "listening"), await bringUp(store, "quiet")];
      await store.upkeep.servers.watch(listening.lease, SHORT_MS);
      const channel = { kind: "server", name: "listening" } as const;
      const subscription = await store.bus.subscribe(channel, () => undefined);
      await harness.letTimePass(2 * SHORT_MS);
      expect(await other.upkeep.servers.expire(listening.registration, SHORT_MS)).toBe("alive");
      expect(await other.upkeep.servers.expire(quiet.registration, SHORT_MS)).toBe("alive");
      expect((await other.servers.snapshot()).living).toHaveLength(2);
      await subscription.close();
    });

    it("reports to a server that its lease is gone, and ignores its sign of life", async (harness) => {
      const { servers, upkeep } = harness.store;
      const [lost, observer] = [await bringUp(harness.store, "lost"), await bringUp(harness.store, "observer")];
      await upkeep.servers.watch(lost.lease, SHORT_MS);
      await servers.unregister(lost.lease);
      expect(await upkeep.servers.watch(lost.lease, SHORT_MS)).toEqual({ isHeld: false, speaking: 0, silent: [] });
      await harness.letTimePass(2 * SHORT_MS);
      expect((await upkeep.servers.watch(observer.lease, SHORT_MS)).silent).toEqual([]);
      const late = await bringUp(harness.store, "late");
      await letDie(harness, late);
      expect(await upkeep.servers.watch(late.lease, SHORT_MS)).toEqual({ isHeld: false, speaking: 0, silent: [] });
    });

    it("reports until when a living server holds its id", async ({ store }) => {
      const holder = await bringUp(store, "taken");
      const refusal = await store.servers.acquire({ ...holder.registration, incarnation: "zzzz" }, LONG_MS).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(refusal).toMatchObject({
        code: "server-id-taken",
        details: { serverId: "taken", heldUntilMs: holder.lease.expiresAtMs },
      });
    });
  });
}
