import { setTimeout as sleep } from "node:timers/promises";
import { Crowd } from "@cm/gateway-kit/clients/crowd";
import { expectCleanEnd } from "@cm/gateway-kit/invariants/clean-end";
import { expectProjected } from "@cm/gateway-kit/invariants/invariants";
import { PresenceWitness } from "@cm/gateway-kit/invariants/presence-witness";
import { startFaultCluster } from "@cm/gateway-kit/processes/fault-cluster";
import { eventually, type FaultMode, startRedis } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

/** The store's time limit of 2,000 ms for one operation, plus a tolerance for a busy machine. */
const ANSWER_MAX_MS = 3_500;
const OUTAGE_MS = 5_000;

it.each<[string, FaultMode]>([
  ["is cut off for longer than the lease", { kind: "cut" }],
  ["hangs for longer than the lease", { kind: "hang" }],
])("answers in time while Redis %s, keeps its sockets, and recovers by itself", async (_, fault) => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, proxied: true });
  const crowd = await Crowd.gather(cluster, { alone: 6 });
  await expectProjected(cluster, crowd);
  const witness = await PresenceWitness.watch(cluster, crowd, {
    leasesRunOut: true,
    // The watcher is not cut off: it sees the gateways without leases from before the end of the outage until
    // each has a new one.
    restoreWithinMs: 20_000,
  });
  const load = crowd.startLoad();
  await eventually(() => expect(load.acknowledged).toBeGreaterThan(50));

  await Promise.all(cluster.proxies.map((proxy) => proxy.set(fault)));
  await eventually(async () => {
    for (const index of [0, 1]) expect(await cluster.readiness(index)).toBe(503);
  });
  // The outage has to outlast the lease.
  await sleep(OUTAGE_MS);
  await Promise.all(cluster.proxies.map((proxy) => proxy.set({ kind: "pass" })));

  await cluster.untilReady();
  await expectProjected(cluster, crowd);
  const outcome = await load.stop();
  expect(outcome.slowestMs).toBeLessThan(ANSWER_MAX_MS);
  expect(Object.keys(outcome.refused).length).toBeGreaterThan(0);
  for (const code of Object.keys(outcome.refused)) expect(["unavailable", "timeout"]).toContain(code);
  expect(outcome.disorder).toEqual([]);
  expect(crowd.present).toEqual(crowd.members);
  await crowd.hearsItself();
  await expectCleanEnd(cluster, crowd, { witness });
});

it("removes only the gateway that is cut off from the rosters, and adds it back", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, proxied: true });
  const crowd = await Crowd.gather(cluster, { alone: 6 });
  const witness = await PresenceWitness.watch(cluster, crowd);
  const [cutOff] = cluster.proxies;
  await cutOff?.set({ kind: "cut" });
  const observer = crowd.on(1)[0];
  await eventually(async () => {
    expect(await observer?.socket.do({ type: "members", room: observer.room })).toMatchObject({ total: 3 });
  });
  expect(await cluster.readiness(1)).toBe(200);
  expect(await cluster.readiness(0)).toBe(503);
  // Wait for the cleanup, because members that are announced as gone have to be announced again when they
  // return.
  await eventually(async () => expect(await cluster.stats(1)).toMatchObject({ reapedServers: 1 }));
  await cutOff?.set({ kind: "pass" });
  // Commands may work before the subscriptions do: a gateway is only ready when both do.
  await cluster.untilReady();
  await expectProjected(cluster, crowd);
  expect(crowd.present).toEqual(crowd.members);
  await crowd.hearsItself();
  await witness.expectDepartures(crowd, { returned: crowd.on(0) });
  await expectCleanEnd(cluster, crowd, { witness });
});

it("accumulates nothing on either side if a connection breaks repeatedly", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, proxied: true });
  const crowd = await Crowd.gather(cluster, { alone: 6 });
  await expectProjected(cluster, crowd);
  const witness = await PresenceWitness.watch(cluster, crowd);
  const load = crowd.startLoad(5);
  for (let round = 0; round < 10; round++) {
    for (const proxy of cluster.proxies) {
      const { accepted } = proxy;
      await proxy.set({ kind: "cut" });
      await proxy.set({ kind: "pass" });
      await eventually(() => expect(proxy.accepted).toBeGreaterThan(accepted));
    }
  }
  await cluster.untilReady();
  await expectProjected(cluster, crowd);
  expect((await load.stop()).disorder).toEqual([]);
  await crowd.hearsItself();
  // One connection for commands and one for subscriptions, as at the start.
  for (const proxy of cluster.proxies) await eventually(() => expect(proxy.links).toHaveLength(2));
  await expectCleanEnd(cluster, crowd, { witness });
});

it("serves all clients if Redis has a round-trip time of a third of a second", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, proxied: true });
  await Promise.all(cluster.proxies.map((proxy) => proxy.set({ kind: "delay", toServerMs: 160, toClientMs: 160 })));
  const crowd = await Crowd.gather(cluster, { perGateway: 4, rooms: 2 });
  const load = crowd.startLoad();
  await eventually(() => expect(load.acknowledged).toBeGreaterThan(100));
  await expectProjected(cluster, crowd);
  expect(await load.stop()).toMatchObject({ refused: {}, disorder: [] });
  await cluster.untilReady();
  await crowd.hearsItself();
  await expectCleanEnd(cluster, crowd);
});
