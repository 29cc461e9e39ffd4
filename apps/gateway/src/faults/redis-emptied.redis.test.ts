import { Crowd } from "@cm/gateway-kit/clients/crowd";
import { expectCleanEnd } from "@cm/gateway-kit/invariants/clean-end";
import { expectProjected } from "@cm/gateway-kit/invariants/invariants";
import { PresenceWitness } from "@cm/gateway-kit/invariants/presence-witness";
import { startFaultCluster } from "@cm/gateway-kit/processes/fault-cluster";
import { eventually, type RedisServer, startRedis } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

it.each([
  ["was flushed", (redis: RedisServer) => redis.ask("FLUSHALL")],
  ["restarted empty", (redis: RedisServer) => redis.restart()],
] as const)("is whole again within a heartbeat after Redis %s under load, and no socket closed", async (_, empty) => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis });
  const crowd = await Crowd.gather(cluster, { alone: 6 });
  const witness = await PresenceWitness.watch(cluster, crowd, { storeLosesData: true });
  const load = crowd.startLoad();
  await eventually(() => expect(load.acknowledged).toBeGreaterThan(50));

  await empty(redis);
  // A heartbeat, the delay before a lost connection is opened again, and the rewrite itself.
  await expectProjected(cluster, crowd, cluster.heartbeatIntervalMs + 3_000);
  expect(crowd.present).toEqual(crowd.members);
  const outcome = await load.stop();
  expect(outcome.disorder).toEqual([]);
  for (const code of Object.keys(outcome.refused)) expect(["unavailable", "timeout"]).toContain(code);
  await cluster.untilReady();
  await crowd.hearsItself();
  await expectCleanEnd(cluster, crowd, { witness });
});
