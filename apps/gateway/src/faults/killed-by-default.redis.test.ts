import { Crowd } from "@cm/gateway-kit/clients/crowd";
import { expectProjected } from "@cm/gateway-kit/invariants/invariants";
import { PresenceWitness } from "@cm/gateway-kit/invariants/presence-witness";
import { startFaultCluster } from "@cm/gateway-kit/processes/fault-cluster";
import { ownerOf } from "@cm/protocol";
import { eventually, startRedis } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

/** The default heartbeat interval and lease; the time after which silence ends a lease is also the default. */
const DEFAULTS = { heartbeatIntervalMs: 30_000, leaseTtlSeconds: 90 };

/**
 * Maximum time until a killed server's members are gone: 5 s without a sign of life, up to 1 s until another
 * server checks for that, and 1 s until the roster changes.
 */
const GONE_WITHIN_MS = 7_000;

it("a killed gateway is out of the rosters within 7 s with the default intervals, each of its users offline once", {
  timeout: 120_000,
}, async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, size: 4, ...DEFAULTS });
  const crowd = await Crowd.gather(cluster, { alone: 4 });
  await expectProjected(cluster, crowd);
  const witness = await PresenceWitness.watch(cluster, crowd);
  const observer = crowd.on(3)[0];
  const tookMs: number[] = [];
  for (const gateway of cluster.gateways.slice(0, 3)) {
    const killedAt = performance.now();
    await gateway.kill();
    await eventually(
      async () => {
        const roster = await observer?.socket.do({ type: "members", room: observer.room });
        const servers = roster?.type === "members" ? roster.members.map(({ connection }) => ownerOf(connection)) : [];
        expect(servers).not.toEqual([]);
        expect(servers).not.toContain(gateway.serverId);
      },
      { timeoutMs: 30_000 },
    );
    tookMs.push(performance.now() - killedAt);
    await witness.expectDepartures(crowd);
  }
  // The first detection may have to wait until the other servers have run for 10 s, twice the time without signs of
  // life; a busy machine may delay some of the detections, but not all of them.
  expect(Math.min(...tookMs), `they took ${tookMs.map(Math.round).join(", ")} ms`).toBeLessThan(GONE_WITHIN_MS);
});
