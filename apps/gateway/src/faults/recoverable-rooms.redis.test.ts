import { Balancer, ReconnectingClient } from "@cm/gateway-kit/clients/reconnecting-client";
import { ReconnectingLoad } from "@cm/gateway-kit/clients/reconnecting-load";
import { populationOf } from "@cm/gateway-kit/clients/reconnecting-population";
import { faultsOfRecovery } from "@cm/gateway-kit/clients/recovery-faults";
import { expectCleanEnd } from "@cm/gateway-kit/invariants/clean-end";
import { startFaultCluster } from "@cm/gateway-kit/processes/fault-cluster";
import { eventually, startRedis } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

it("loses nothing of recoverable rooms when a gateway is killed under load: its clients come back elsewhere, and have every message once and in order", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, size: 3, env: { RECOVERABLE_ROOMS: "*" } });
  const balancer = new Balancer(cluster.wsUrls);
  const clients = Array.from(
    { length: 30 },
    (_, i) => new ReconnectingClient(balancer, `user-${i}`, `room-${i % 3}`, { recovers: true }),
  );
  // Each room has members on all gateways.
  await Promise.all(clients.map((client, i) => client.start(cluster.wsUrls[Math.floor(i / 3) % 3] ?? "")));
  onTestFinished(() => clients.forEach((client) => void client.stop()));
  const load = new ReconnectingLoad(clients, 2);
  onTestFinished(() => load.stop());
  await eventually(() => expect(load.taken.length).toBeGreaterThan(200));

  const [victim] = cluster.gateways;
  balancer.remove(victim?.wsUrl ?? "");
  await victim?.kill();
  const victims = clients.filter(({ sittings }) => sittings[0]?.server === victim?.serverId);
  expect(victims).toHaveLength(12);
  await eventually(() => expect(victims.filter(({ sittings }) => sittings.length < 2)).toEqual([]));
  const taken = load.taken.length;
  await eventually(() => expect(load.taken.length).toBeGreaterThan(taken + 200));
  await load.stop();

  await eventually(() => expect(faultsOfRecovery(clients, load)).toEqual([]));
  expect(victims.map(({ sittings }) => sittings.at(-1)?.recovered)).toEqual(victims.map(() => true));
  // The absences were long enough for messages to be published, so there was something to recover.
  expect(victims.flatMap(({ absencesMs }) => absencesMs).filter((ms) => ms < 100)).toEqual([]);
  await expectCleanEnd(cluster, populationOf(clients, cluster));
});
