import { Crowd } from "@cm/gateway-kit/clients/crowd";
import { expectCleanEnd, OF_A_CLUSTER } from "@cm/gateway-kit/invariants/clean-end";
import { expectProjected } from "@cm/gateway-kit/invariants/invariants";
import { PresenceWitness } from "@cm/gateway-kit/invariants/presence-witness";
import { startFaultCluster } from "@cm/gateway-kit/processes/fault-cluster";
import { startRedisCluster } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";
import { holdReplication } from "./held-replication.fixture.js";

/** Time within which the whole store is reconciled with the owners' local state. */
const CHECK_WITHIN_MS = 3_000;

it("is whole again after one master of a Cluster was replaced by a replica that had lagged behind", async () => {
  const redis = await startRedisCluster({ masters: 3, replicas: 1, nodeTimeoutMs: 1_000, proxied: true });
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({
    redis,
    // Use leases that do not expire during the test, because an expiry would reveal the loss.
    leaseTtlSeconds: 60,
    heartbeatIntervalMs: 500,
    env: { CLEANUP_INTERVAL_MS: String(CHECK_WITHIN_MS) },
  });
  const crowd = await Crowd.gather(cluster, { rooms: 12, alone: 6 });
  await expectProjected(cluster, crowd);
  const witness = await PresenceWitness.watch(cluster, crowd, {
    storeLosesData: true,
    restoreWithinMs: 2 * CHECK_WITHIN_MS,
  });
  const master = await redis.ownerOf(0);
  const [replica] = await redis.replicasOf(master);
  if (replica === undefined) throw new Error("The master has no replica.");
  await master.ask("WAIT", 1, 5_000);
  await holdReplication(master, redis.proxies[redis.nodes.indexOf(master)], 1);

  // While replication is held, a third of the members closes for good, and another third joins and leaves a
  // further room.
  const moving = crowd.members.filter((_, i) => i % 3 === 1);
  for (const { socket } of crowd.members.filter((_, i) => i % 3 === 0)) socket.terminate();
  for (const room of ["p1", "p2", "p3"]) {
    for (const { socket } of moving) await socket.do({ type: "join", room });
  }
  for (const room of ["p1", "p2", "p3"]) {
    for (const { socket } of moving) await socket.do({ type: "leave", room });
  }
  await expectProjected(cluster, crowd);
  await witness.expectDepartures(crowd);
  await master.kill();
  await redis.untilMaster(replica);
  await cluster.untilReady();
  await expectProjected(cluster, crowd, CHECK_WITHIN_MS + 5_000);
  await crowd.hearsItself();
  const stats = await Promise.all(cluster.gateways.map((_, index) => cluster.stats(index)));
  // The store was repaired by reconciliation, not by writing everything again.
  expect(stats.map(({ reprojections }) => reprojections)).toEqual([0, 0]);
  expect(strays(stats)).toBeGreaterThan(0);
  await witness.expectDepartures(crowd, { forgotten: crowd.gone });
  await expectCleanEnd(cluster, crowd, { witness, growth: OF_A_CLUSTER });
});

function strays(stats: readonly Record<string, unknown>[]): number {
  const counts = JSON.stringify(stats.map(({ drift }) => drift));
  const parts = [...counts.matchAll(/"stray":\{([^}]*)\}/g)].flatMap(([, kinds = ""]) => kinds.match(/\d+/g) ?? []);
  return parts.reduce((sum, count) => sum + Number(count), 0);
}
