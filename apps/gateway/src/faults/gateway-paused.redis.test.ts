import { Crowd } from "@cm/gateway-kit/clients/crowd";
import { expectCleanEnd } from "@cm/gateway-kit/invariants/clean-end";
import { expectProjected } from "@cm/gateway-kit/invariants/invariants";
import { PresenceWitness } from "@cm/gateway-kit/invariants/presence-witness";
import { startFaultCluster } from "@cm/gateway-kit/processes/fault-cluster";
import { eventually, startRedis } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

it("brings everything back that a gateway lost while it was paused past its lease, and keeps its sockets", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis });
  const [paused, other] = cluster.gateways;
  const crowd = await Crowd.gather(cluster, { alone: 6 });
  await expectProjected(cluster, crowd);
  const witness = await PresenceWitness.watch(cluster, crowd);

  paused?.pause();
  const observer = crowd.on(1)[0];
  await eventually(async () => {
    expect(await observer?.socket.do({ type: "members", room: observer.room })).toMatchObject({ total: 3 });
  });
  // After the expiry, wait until another gateway has also cleaned up.
  await eventually(async () => expect(await cluster.stats(1)).toMatchObject({ reapedServers: 1 }));
  paused?.resume();

  await expectProjected(cluster, crowd, cluster.leaseTtlMs + cluster.heartbeatIntervalMs);
  expect(crowd.present).toEqual(crowd.members);
  expect((await cluster.stats(0)).reprojections).toBeGreaterThan(0);
  await crowd.hearsItself();
  expect(paused?.running && other?.running).toBe(true);
  // The members were removed and have returned: each departure and each return was announced once.
  await witness.expectDepartures(crowd, { returned: crowd.on(0) });
  await expectCleanEnd(cluster, crowd, { witness });
});
