import { Crowd } from "@cm/gateway-kit/clients/crowd";
import { expectCleanEnd } from "@cm/gateway-kit/invariants/clean-end";
import { expectProjected } from "@cm/gateway-kit/invariants/invariants";
import { PresenceWitness } from "@cm/gateway-kit/invariants/presence-witness";
import { type FaultCluster, startFaultCluster } from "@cm/gateway-kit/processes/fault-cluster";
import {
  eventually,
  type RedisSentinel,
  type RedisServer,
  RespConnection,
  startRedis,
  startRedisSentinel,
} from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";
import { holdReplication } from "./held-replication.fixture.js";

/** Longer than a test, so that no lease expires, which would reveal the loss. */
const LONG_LEASE_SECONDS = 60;

/** A third of the crowd closes for good, and another third joins and leaves a further room. */
async function change(cluster: FaultCluster, crowd: Crowd): Promise<void> {
  for (const [i, { socket }] of crowd.members.entries()) {
    if (i % 3 === 0) socket.terminate();
    else if (i % 3 === 1) await socket.do({ type: "join", room: "passing" });
  }
  for (const { socket } of crowd.members.filter((_, i) => i % 3 === 1)) {
    await socket.do({ type: "leave", room: "passing" });
  }
  await expectProjected(cluster, crowd);
}

async function expectWholeAgain(cluster: FaultCluster, crowd: Crowd): Promise<void> {
  await cluster.untilReady();
  // One heartbeat detects the loss, the next one removes superfluous entries.
  await expectProjected(cluster, crowd, 2 * cluster.heartbeatIntervalMs + 3_000);
  await crowd.hearsItself();
}

async function restartFromSnapshot(redis: RedisServer): Promise<void> {
  await redis.kill();
  await redis.restart({ keepFiles: true });
}

it.each([
  ["still hold their leases", LONG_LEASE_SECONDS, 0],
  ["have lost their leases", 3, 3_500],
])(
  "removes members that left, if Redis restarts from an older snapshot and the servers %s",
  async (_, leaseTtlSeconds, downMs) => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    const cluster = await startFaultCluster({ redis, leaseTtlSeconds });
    const crowd = await Crowd.gather(cluster, { alone: 6 });
    const witness = await PresenceWitness.watch(cluster, crowd, { storeLosesData: true, leasesRunOut: downMs > 0 });
    await redis.ask("SAVE");
    await change(cluster, crowd);
    await witness.expectDepartures(crowd);
    const savedAt = Date.now();
    await redis.kill();
    await eventually(() => expect(Date.now() - savedAt).toBeGreaterThanOrEqual(downMs));
    await restartFromSnapshot(redis);
    await expectWholeAgain(cluster, crowd);
    await witness.expectDepartures(crowd, { forgotten: crowd.gone });
    await expectCleanEnd(cluster, crowd, { witness });
  },
);

it("restores members that joined, if Redis restarts from an older snapshot", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, leaseTtlSeconds: LONG_LEASE_SECONDS });
  await redis.ask("SAVE");
  const crowd = await Crowd.gather(cluster, { alone: 6 });
  const witness = await PresenceWitness.watch(cluster, crowd, { storeLosesData: true });
  await restartFromSnapshot(redis);
  await expectWholeAgain(cluster, crowd);
  await expectCleanEnd(cluster, crowd, { witness });
});

it("is whole again after a failover to a replica that had lagged behind", async () => {
  const redis = await startRedisSentinel({ sentinels: 3, replicas: 2, proxied: true });
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, leaseTtlSeconds: LONG_LEASE_SECONDS });
  const crowd = await Crowd.gather(cluster, { alone: 6 });
  const witness = await PresenceWitness.watch(cluster, crowd, { storeLosesData: true });
  await replicated(redis);
  await holdReplication(redis.master, redis.proxies[0], 2);
  await change(cluster, crowd);
  await witness.expectDepartures(crowd);
  await redis.master.kill();
  await redis.untilFailedOver(redis.master);
  await expectWholeAgain(cluster, crowd);
  await witness.expectDepartures(crowd, { forgotten: crowd.gone });
  await expectCleanEnd(cluster, crowd, { witness });
});

/** Waits until both replicas have all previous writes. */
async function replicated({ master }: RedisSentinel): Promise<void> {
  const connection = await RespConnection.open(master.port);
  onTestFinished(() => connection.close());
  // WAIT waits for the writes of its own connection, and thereby for all earlier ones.
  await connection.command("SET", "everything-before-this", "1");
  expect(await connection.command("WAIT", 2, 5_000)).toBe(2);
}
