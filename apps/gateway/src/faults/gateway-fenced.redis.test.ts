import { Crowd } from "@cm/gateway-kit/clients/crowd";
import { expectCleanEnd } from "@cm/gateway-kit/invariants/clean-end";
import { expectProjected } from "@cm/gateway-kit/invariants/invariants";
import { PresenceWitness } from "@cm/gateway-kit/invariants/presence-witness";
import { startFaultCluster } from "@cm/gateway-kit/processes/fault-cluster";
import { eventually, type RedisServer, RespConnection, startRedis } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

it("has the late writes of a gateway refused that was cleaned up after while it was paused, though it dies before it learns of that", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, proxied: true });
  const [paused] = cluster.gateways;
  const crowd = await Crowd.gather(cluster, { alone: 6 });
  await expectProjected(cluster, crowd);
  const witness = await PresenceWitness.watch(cluster, crowd);

  paused?.pause();
  // The first requests after the gateway resumes: each member joins one more room whose channel is subscribed
  // already.
  const late = crowd.on(0);
  for (const [i, { socket }] of late.entries()) socket.tell({ type: "join", room: `room-${(i + 1) % 6}` });
  await eventually(async () => expect(await cluster.stats(1)).toMatchObject({ reapedServers: 1 }));
  expect((await cluster.keys()).filter((key) => key.includes("gw1"))).toEqual([]);

  // Drop Redis's replies, so that the gateway does not learn that its lease is gone, even if it reconnects: it
  // acquires no new lease, and makes all its writes under the old one.
  await cluster.proxies[0]?.set({ kind: "hang", drop: "to-client" });
  const scripts = await recordScripts(redis);
  paused?.resume();
  const ids = late.map(({ socket }) => socket.id);
  // A script may be about several connections.
  const written = (): readonly string[] => ids.filter((id) => scripts.some((text) => text.includes(id)));
  await eventually(() => expect(written()).toEqual(ids));
  await paused?.kill();

  // No reaper would ever clean up after a server that the registry no longer knows.
  expect((await cluster.keys()).filter((key) => key.includes("gw1"))).toEqual([]);
  await expectProjected(cluster, crowd);
  await expectCleanEnd(cluster, crowd, { witness });
});

/**
 * Records the scripts that Redis runs from now on, with their arguments. ioredis's own monitor fails if Redis sends the
 * first line together with its acknowledgement.
 */
async function recordScripts(redis: RedisServer): Promise<readonly string[]> {
  const monitor = await RespConnection.open(redis.port);
  onTestFinished(() => monitor.close());
  const scripts: string[] = [];
  monitor.onUnasked((line) => {
    if (/^\d+\.\d+ \[[^\]]*\] "evalsha"/i.test(String(line))) scripts.push(String(line));
  });
  await monitor.command("MONITOR");
  return scripts;
}
