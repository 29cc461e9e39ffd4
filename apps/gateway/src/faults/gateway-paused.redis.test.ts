import { eventually, startRedis } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";
import { Crowd } from "../testing/crowd.js";
import { startFaultCluster } from "../testing/fault-cluster.js";
import { expectNoKeys, expectProjected, expectUsageNear } from "../testing/invariants.js";

it("brings everything back that a gateway lost while it was paused past its lease, and keeps its sockets", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis });
  const [paused, other] = cluster.gateways;
  const before = await Promise.all(cluster.gateways.map((gateway) => gateway.usage()));
  const crowd = await Crowd.gather(cluster);
  await expectProjected(cluster, crowd);

  paused?.pause();
  const observer = crowd.on(1)[0];
  await eventually(async () => {
    expect(await observer?.socket.do({ type: "members", room: observer.room })).toMatchObject({ total: 2 });
  });
  // Past the expiry somebody has cleaned up for good, too.
  await eventually(async () => expect(await cluster.stats(1)).toMatchObject({ reapedServers: 1 }));
  paused?.resume();

  await expectProjected(cluster, crowd, cluster.leaseTtlMs + cluster.heartbeatIntervalMs);
  expect(crowd.present).toEqual(crowd.members);
  expect((await cluster.stats(0)).reprojections).toBeGreaterThan(0);
  await crowd.hearsItself();
  expect(paused?.running && other?.running).toBe(true);

  crowd.leave();
  await eventually(async () => {
    for (const index of [0, 1]) expect(await cluster.stats(index)).toMatchObject({ connections: 0 });
  });
  for (const [index, gateway] of cluster.gateways.entries()) {
    const usage = before[index];
    if (usage !== undefined) await expectUsageNear(gateway, usage);
  }
  await Promise.all(cluster.gateways.map((gateway) => gateway.stop()));
  await expectNoKeys(cluster);
});
