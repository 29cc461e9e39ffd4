import { Crowd } from "@cm/gateway-kit/clients/crowd";
import { expectCleanEnd } from "@cm/gateway-kit/invariants/clean-end";
import { PresenceWitness } from "@cm/gateway-kit/invariants/presence-witness";
import { type FaultCluster, startFaultCluster } from "@cm/gateway-kit/processes/fault-cluster";
import { type Direction, eventually, type FaultProxy, type RedisServer, startRedis } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

/**
 * A probe, sent every 1,000 ms, times out after 3,000 ms, a command after 2,000 ms; the rest is for
 * reconnecting.
 */
const FOUND_WITHIN_MS = 6_000;

/** Time after which a subscription without an acknowledgement degrades the link: half of the time limit for one. */
const LATE_AFTER_MS = 1_500;

it("detects a subscriber's connection that delivers nothing, replaces it and notifies the rooms", async () => {
  const { redis, cluster, crowd, witness } = await gather();
  const hungAt = performance.now();
  await hangSubscriber(redis, cluster.proxies[0], "to-client");
  // Check that the fault has an effect: until the gateway detects it, only messages are affected.
  await expect(crowd.hearsItself(300)).rejects.toThrow("on gateway 0 in room-");
  await eventually(async () => expect(await cluster.readiness(0)).toBe(503), { timeoutMs: FOUND_WITHIN_MS });
  await cluster.untilReady();
  expect(performance.now() - hungAt).toBeLessThan(FOUND_WITHIN_MS + 2_000);
  for (const { socket, room } of crowd.on(0)) {
    await socket.until((frame) => frame.type === "gap" && frame.room === room);
  }
  await crowd.hearsItself();
  expect(crowd.present).toEqual(crowd.members);
  await expectCleanEnd(cluster, crowd, { witness });
});

it("replaces a subscriber's connection that takes no new rooms, while the old ones miss nothing", async () => {
  const { redis, cluster, crowd, witness } = await gather();
  await hangSubscriber(redis, cluster.proxies[0], "to-server");
  // Existing subscriptions still receive messages.
  await crowd.hearsItself();
  const [member] = crowd.on(0);
  const joined = eventually(() => member?.socket.do({ type: "join", room: "new" }), {
    timeoutMs: FOUND_WITHIN_MS + 2_000,
  });
  // The gateway stops being ready before the first join is refused, after 2,000 ms.
  await eventually(async () => expect(await cluster.readiness(0)).toBe(503), { timeoutMs: LATE_AFTER_MS + 400 });
  await joined;
  await member?.socket.do({ type: "leave", room: "new" });
  await cluster.untilReady();
  await crowd.hearsItself();
  expect(crowd.present).toEqual(crowd.members);
  await expectCleanEnd(cluster, crowd, { witness });
});

async function gather(): Promise<{
  readonly redis: RedisServer;
  readonly cluster: FaultCluster;
  readonly crowd: Crowd;
  readonly witness: PresenceWitness;
}> {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, proxied: true });
  const crowd = await Crowd.gather(cluster, { alone: 6 });
  await crowd.hearsItself();
  return { redis, cluster, crowd, witness: await PresenceWitness.watch(cluster, crowd) };
}

/** Hangs the connection through the proxy that Redis lists as a subscriber. */
async function hangSubscriber(redis: RedisServer, proxy: FaultProxy | undefined, drop: Direction): Promise<void> {
  const clients = String(await redis.ask("CLIENT", "LIST", "TYPE", "PUBSUB"));
  const ports = [...clients.matchAll(/ addr=127\.0\.0\.1:(\d+) /g)].map((match) => Number(match[1]));
  const links = (proxy?.links ?? []).filter(({ serverSeesPort }) => ports.includes(serverSeesPort ?? 0));
  expect(links).toHaveLength(1);
  for (const link of links) link.set({ kind: "hang", drop });
}
