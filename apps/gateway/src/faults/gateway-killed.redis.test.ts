import { Crowd } from "@cm/gateway-kit/clients/crowd";
import { expectCleanEnd } from "@cm/gateway-kit/invariants/clean-end";
import { expectProjected } from "@cm/gateway-kit/invariants/invariants";
import { PresenceWitness } from "@cm/gateway-kit/invariants/presence-witness";
import { startFaultCluster } from "@cm/gateway-kit/processes/fault-cluster";
import { ownerOf } from "@cm/protocol";
import { eventually, startRedis } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

it("removes the members of a killed gateway from all rosters in time, and no other member", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, size: 3 });
  const crowd = await Crowd.gather(cluster, { alone: 3 });
  await expectProjected(cluster, crowd);
  const witness = await PresenceWitness.watch(cluster, crowd);
  const load = crowd.startLoad();
  await eventually(() => expect(load.acknowledged).toBeGreaterThan(50));

  const [victim] = cluster.gateways;
  const observer = crowd.on(1)[0];
  const killedAt = performance.now();
  await victim?.kill();
  await eventually(async () => {
    const roster = await observer?.socket.do({ type: "members", room: observer.room });
    const servers = roster?.type === "members" ? roster.members.map(({ connection }) => ownerOf(connection)) : [];
    expect(new Set(servers)).toEqual(new Set(["gw2", "gw3"]));
  });
  // The lease, a heartbeat, and a tolerance for a busy machine.
  expect(performance.now() - killedAt).toBeLessThan(cluster.leaseTtlMs + cluster.heartbeatIntervalMs + 1_000);
  await expectProjected(cluster, crowd);
  await eventually(async () => expect((await cluster.keys()).filter((key) => key.includes("gw1"))).toEqual([]));

  const outcome = await load.stop();
  expect(outcome.disorder).toEqual([]);
  // Requests to the killed gateway got no response; no other request was refused.
  expect(Object.keys(outcome.refused).filter((code) => code !== "unanswered")).toEqual([]);
  expect(crowd.present).toEqual(crowd.notOn(0));
  for (const { socket } of crowd.notOn(0)) expect(socket.received.filter(({ type }) => type === "gap")).toEqual([]);
  await crowd.hearsItself();
  await expectCleanEnd(cluster, crowd, { witness });
});

it("cleans up after two of four gateways that are killed at once, each exactly once", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, size: 4 });
  const crowd = await Crowd.gather(cluster, { perGateway: 24, alone: 6 });
  const witness = await PresenceWitness.watch(cluster, crowd);
  await Promise.all(cluster.gateways.slice(0, 2).map((gateway) => gateway.kill()));
  await expectProjected(cluster, crowd);
  await eventually(async () => {
    expect((await cluster.keys()).filter((key) => /gw[12]/.test(key))).toEqual([]);
  });
  const survivors = await Promise.all([2, 3].map((index) => cluster.stats(index)));
  expect(survivors.reduce((sum, { reapedServers = 0 }) => sum + reapedServers, 0)).toBe(2);
  expect(crowd.present).toHaveLength(60);
  await crowd.hearsItself();
  await expectCleanEnd(cluster, crowd, { witness });
});
