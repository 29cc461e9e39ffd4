import { expectNoKeys } from "@cm/gateway-kit/invariants/invariants";
import { type FaultCluster, startFaultCluster } from "@cm/gateway-kit/processes/fault-cluster";
import { createMembership } from "@cm/membership";
import { createConnectionIdSource, type Store } from "@cm/protocol";
import { createRedisStore } from "@cm/redis-store";
import { createRouter, type Router } from "@cm/router";
import { startRedis } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

/** Far longer than a lease. */
const PATIENCE = { confirmMs: 30_000 };

it("settles requests to a killed server when its lease expires, regardless of which server cleans up", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, size: 1 });
  const routers = [await startServer(cluster, "x"), await startServer(cluster, "y")];
  const ann = await cluster.connect(0, "ann");
  const [gateway] = cluster.gateways;
  // Redis still delivers the requests, but the server does not respond.
  gateway?.signal("SIGSTOP");
  const frame = Buffer.from('{"type":"direct","data":"hi"}');
  const askedAt = performance.now();
  const answers = routers.map((router) => router.toConnection(ann.id, frame, PATIENCE));
  gateway?.signal("SIGKILL");
  expect(await Promise.all(answers)).toEqual(["not-found", "not-found"]);
  expect(performance.now() - askedAt).toBeLessThan(cluster.leaseTtlMs + 2 * cluster.heartbeatIntervalMs + 1_000);
  expect(routers.map((router) => router.stats().pendingAnswers)).toEqual([0, 0]);
  // Only the keys of the two remaining servers are left.
  await expectNoKeys(cluster, { allowed: [/:\{servers\}(:[xy]|\.recently-gone)?$/] });
});

/** A server without sockets, with the same wiring as a gateway. */
async function startServer(cluster: FaultCluster, serverId: string): Promise<Router> {
  const store: Store = createRedisStore({ url: cluster.redisUrl, prefix: cluster.prefix });
  onTestFinished(() => store.close());
  await store.start();
  const local = { toRoom: () => undefined, toConnection: () => false, toUser: () => 0 };
  const router = createRouter({ serverId, store, local });
  onTestFinished(() => router.close());
  await router.start();
  const membership = createMembership({
    ids: createConnectionIdSource({ serverId }),
    store,
    interest: router,
    heartbeatIntervalMs: cluster.heartbeatIntervalMs,
    leaseTtlMs: cluster.leaseTtlMs,
    onServersLost: (serverIds) => {
      for (const lost of serverIds) router.serverLost(lost);
    },
  });
  onTestFinished(() => membership.shutdown());
  await membership.start();
  return router;
}
