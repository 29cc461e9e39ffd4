import { startFaultCluster } from "@cm/gateway-kit/processes/fault-cluster";
import { eventually, startRedis } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

/** Default heartbeats: a failed removal must not wait for the next one. */
const SLOW_HEARTBEATS = { heartbeatIntervalMs: 30_000, leaseTtlSeconds: 90 };

it("removes members that left during a Redis outage as soon as Redis answers again, long before a heartbeat", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, proxied: true, ...SLOW_HEARTBEATS });
  const [ada, bob, eve] = await Promise.all([
    cluster.connect(0, "ada"),
    cluster.connect(1, "bob"),
    cluster.connect(0, "eve"),
  ]);
  await Promise.all([ada, bob, eve].map((socket) => socket.do({ type: "join", room: "r" })));
  const users = async (): Promise<unknown> => {
    const roster = await bob.do({ type: "members", room: "r" });
    return roster.type === "members" ? roster.members.map(({ user }) => user).sort() : undefined;
  };
  expect(await users()).toEqual(["ada", "bob", "eve"]);

  const [proxy] = cluster.proxies;
  await proxy?.set({ kind: "cut" });
  const left = ada.ask({ type: "leave", room: "r" });
  eve.terminate();
  expect((await left).type).toBe("ack");
  await eventually(async () => expect((await cluster.stats(0)).pendingRemovals).toBe(2));
  await proxy?.set({ kind: "pass" });
  const backAt = performance.now();
  await eventually(async () => expect(await users()).toEqual(["bob"]));
  expect(performance.now() - backAt).toBeLessThan(5_000);
  await eventually(async () => expect((await cluster.stats(0)).pendingRemovals).toBe(0));
});
