import { Crowd } from "@cm/gateway-kit/clients/crowd";
import { expectCleanEnd } from "@cm/gateway-kit/invariants/clean-end";
import { expectProjected } from "@cm/gateway-kit/invariants/invariants";
import { PresenceWitness } from "@cm/gateway-kit/invariants/presence-witness";
import { startFaultCluster } from "@cm/gateway-kit/processes/fault-cluster";
import { eventually, type RedisSentinel, startRedisSentinel } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

interface Fault {
  readonly begin: (redis: RedisSentinel) => Promise<void>;
  readonly end: (redis: RedisSentinel) => Promise<void>;
}

const FAULTS: readonly (readonly [string, Fault])[] = [
  ["hangs", { begin: ({ master }) => master.pause(), end: ({ master }) => master.resume() }],
  [
    "is cut off from everybody and goes on as a master",
    {
      begin: async ({ proxies }) => proxies[0]?.set({ kind: "cut" }),
      end: async ({ proxies }) => proxies[0]?.set({ kind: "pass" }),
    },
  ],
];

it.each(FAULTS)("follows the Sentinels when the master %s under load, and no server stays deaf", async (_, fault) => {
  const redis = await startRedisSentinel({ sentinels: 3, replicas: 2, proxied: true });
  onTestFinished(() => redis.close());
  // Longer than a failover, as with the default: no user may be shown as offline.
  const cluster = await startFaultCluster({ redis, leaseTtlSeconds: 20 });
  const crowd = await Crowd.gather(cluster, { alone: 6 });
  const witness = await PresenceWitness.watch(cluster, crowd, { storeLosesData: true });
  await expectProjected(cluster, crowd);
  const load = crowd.startLoad();
  await eventually(() => expect(load.acknowledged).toBeGreaterThan(50));

  await fault.begin(redis);
  const master = await redis.untilFailedOver(redis.master);
  // A gateway that has not noticed yet that the old master hangs reports that it is ready, so count subscribers
  // instead; the witness is one of them.
  await eventually(async () => {
    const listeners = String(await master.ask("CLIENT", "LIST", "TYPE", "PUBSUB"));
    expect(listeners.match(/ name=cm:subscriber /g)).toHaveLength(cluster.gateways.length + 1);
  });
  await cluster.untilReady();
  await expectProjected(cluster, crowd);
  const outcome = await load.stop();
  expect(outcome.disorder).toEqual([]);
  for (const code of Object.keys(outcome.refused)) expect(["unavailable", "timeout"]).toContain(code);
  expect(crowd.present).toEqual(crowd.members);
  await crowd.hearsItself();

  // The old master returns as a replica: no gateway may write to it or subscribe to it.
  await fault.end(redis);
  await eventually(async () => expect(await redis.master.ask("ROLE")).toEqual(expect.arrayContaining(["slave"])));
  await cluster.untilReady();
  await expectProjected(cluster, crowd);
  await crowd.hearsItself();
  expect(await redis.currentMaster()).toBe(master);
  await expectCleanEnd(cluster, crowd, { witness });
});
