import { eventually, type RedisServer, startRedis } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";
import { expectCleanEnd } from "../testing/clean-end.js";
import { Crowd } from "../testing/crowd.js";
import { startFaultCluster } from "../testing/fault-cluster.js";
import { expectProjected } from "../testing/invariants.js";
import { PresenceWitness } from "../testing/presence-witness.js";

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
  // A heartbeat, the pause after which a lost connection is made again, and the work itself.
  await expectProjected(cluster, crowd, cluster.heartbeatIntervalMs + 3_000);
  expect(crowd.present).toEqual(crowd.members);
  const outcome = await load.stop();
  expect(outcome.disorder).toEqual([]);
  for (const code of Object.keys(outcome.refused)) expect(["unavailable", "timeout"]).toContain(code);
  await cluster.untilReady();
  await crowd.hearsItself();
  await expectCleanEnd(cluster, crowd, { witness });
});
