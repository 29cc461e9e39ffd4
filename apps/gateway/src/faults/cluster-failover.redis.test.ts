import { Crowd } from "@cm/gateway-kit/clients/crowd";
import type { LoadOutcome } from "@cm/gateway-kit/clients/crowd-load";
import { expectCleanEnd, OF_A_CLUSTER } from "@cm/gateway-kit/invariants/clean-end";
import { expectProjected } from "@cm/gateway-kit/invariants/invariants";
import { PresenceWitness } from "@cm/gateway-kit/invariants/presence-witness";
import { startFaultCluster } from "@cm/gateway-kit/processes/fault-cluster";
import { eventually, type RedisCluster, startRedisCluster } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

/** The store's time limit of 2,000 ms for one operation, plus a tolerance for a busy machine. */
const ANSWER_MAX_MS = 3_500;

/**
 * Duration of the leases: longer than a failover, as with the default, so that no user may be shown as offline.
 */
const LEASE_TTL_SECONDS = 20;

function expectOrderly(outcome: LoadOutcome): void {
  expect(outcome.disorder).toEqual([]);
  for (const code of Object.keys(outcome.refused)) expect(["unavailable", "timeout"]).toContain(code);
  expect(outcome.slowestMs).toBeLessThan(ANSWER_MAX_MS);
}

const FAILOVERS: readonly (readonly [string, (redis: RedisCluster) => Promise<void>])[] = [
  [
    "a master is killed and its replica takes over",
    async (redis) => {
      const master = await redis.ownerOf(0);
      const [replica] = await redis.replicasOf(master);
      await master.kill();
      if (replica !== undefined) await redis.untilMaster(replica);
      await redis.untilWhole();
    },
  ],
  [
    "a master and its replica change places",
    async (redis) => {
      const [replica] = await redis.replicasOf(await redis.ownerOf(0));
      if (replica !== undefined) await redis.failOver(replica);
    },
  ],
];

it.each(FAILOVERS)("follows its Cluster when %s under load, and no server stays deaf", async (_, failOver) => {
  const redis = await startRedisCluster({ masters: 3, replicas: 1, nodeTimeoutMs: 1_000 });
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, leaseTtlSeconds: LEASE_TTL_SECONDS });
  const crowd = await Crowd.gather(cluster, { rooms: 12, alone: 6 });
  const witness = await PresenceWitness.watch(cluster, crowd, { storeLosesData: true });
  await expectProjected(cluster, crowd);
  const load = crowd.startLoad();
  await eventually(() => expect(load.acknowledged).toBeGreaterThan(50));

  const before = await redis.ownerOf(0);
  await failOver(redis);
  expect(await redis.ownerOf(0)).not.toBe(before);
  await cluster.untilReady();
  await expectProjected(cluster, crowd);
  expectOrderly(await load.stop());
  expect(crowd.present).toEqual(crowd.members);
  await crowd.hearsItself();
  await expectCleanEnd(cluster, crowd, { witness, growth: OF_A_CLUSTER });
});

it("follows the slots of its rooms, users and servers to other masters under load, and no server stays deaf", async () => {
  const redis = await startRedisCluster({ masters: 3 });
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, leaseTtlSeconds: LEASE_TTL_SECONDS });
  const crowd = await Crowd.gather(cluster, { rooms: 12, alone: 6 });
  const witness = await PresenceWitness.watch(cluster, crowd, { storeLosesData: true });
  await expectProjected(cluster, crowd);
  const load = crowd.startLoad();
  await eventually(() => expect(load.acknowledged).toBeGreaterThan(50));

  const [first] = redis.nodes;
  const slots = new Set<number>();
  for (const key of await cluster.keys()) slots.add(Number(await first?.ask("CLUSTER", "KEYSLOT", key)));
  for (const slot of slots) {
    const owner = await redis.ownerOf(slot);
    const target = redis.nodes.find((node) => node !== owner);
    if (target !== undefined) await redis.moveSlot(slot, target);
  }
  await redis.untilWhole();
  await cluster.untilReady();
  await expectProjected(cluster, crowd);
  expectOrderly(await load.stop());
  expect(crowd.present).toEqual(crowd.members);
  await crowd.hearsItself();
  await expectCleanEnd(cluster, crowd, { witness, growth: OF_A_CLUSTER });
});

it("answers in time if one master hangs for the gateways alone, and is whole when that is over", async () => {
  const redis = await startRedisCluster({ masters: 3, proxied: true });
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, leaseTtlSeconds: LEASE_TTL_SECONDS });
  const crowd = await Crowd.gather(cluster, { rooms: 12, alone: 6 });
  const witness = await PresenceWitness.watch(cluster, crowd, { storeLosesData: true });
  const load = crowd.startLoad();
  await eventually(() => expect(load.acknowledged).toBeGreaterThan(50));

  await redis.proxies[0]?.set({ kind: "hang" });
  await eventually(() => expect(load.refused).toBeGreaterThan(100));
  // Rooms on the other masters still work during the failover.
  const { acknowledged } = load;
  await eventually(() => expect(load.acknowledged).toBeGreaterThan(acknowledged + 50));
  await redis.proxies[0]?.set({ kind: "pass" });

  await cluster.untilReady();
  await expectProjected(cluster, crowd);
  expectOrderly(await load.stop());
  expect(crowd.present).toEqual(crowd.members);
  await crowd.hearsItself();
  await expectCleanEnd(cluster, crowd, { witness, growth: OF_A_CLUSTER });
});
