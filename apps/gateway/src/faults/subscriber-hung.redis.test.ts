import { type Direction, eventually, type FaultProxy, type RedisServer, startRedis } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";
import { Crowd } from "../testing/crowd.js";
import { startFaultCluster } from "../testing/fault-cluster.js";

/** The store asks for a sign of life every 2,000 ms and waits as long for it; the rest is connecting anew. */
const FOUND_WITHIN_MS = 6_000;

it.each<Direction>(["to-client", "to-server"])(
  "finds a subscriber's connection that hangs without closing (%s), replaces it and tells the rooms",
  async (drop) => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    const cluster = await startFaultCluster({ redis, proxied: true });
    const crowd = await Crowd.gather(cluster);
    await crowd.hearsItself();

    const [proxy] = cluster.proxies;
    const hungAt = performance.now();
    await hangSubscriber(redis, proxy, drop);
    // Until then what it hears is all that is wrong with it; and without that the rest would prove nothing.
    if (drop === "to-client") await expect(crowd.hearsItself(300)).rejects.toThrow("on gateway 0 in room-");
    await eventually(async () => expect(await cluster.readiness(0)).toBe(503), { timeoutMs: FOUND_WITHIN_MS });
    await cluster.untilReady();
    expect(performance.now() - hungAt).toBeLessThan(FOUND_WITHIN_MS + 2_000);
    for (const { socket, room } of crowd.on(0)) {
      await socket.until((frame) => frame.type === "gap" && frame.room === room);
    }
    await crowd.hearsItself();
    expect(crowd.present).toEqual(crowd.members);
  },
);

/** The connection that Redis lists as one that subscribes, among those through the proxy. */
async function hangSubscriber(redis: RedisServer, proxy: FaultProxy | undefined, drop: Direction): Promise<void> {
  const clients = String(await redis.ask("CLIENT", "LIST", "TYPE", "PUBSUB"));
  const ports = [...clients.matchAll(/ addr=127\.0\.0\.1:(\d+) /g)].map((match) => Number(match[1]));
  const links = (proxy?.links ?? []).filter(({ serverSeesPort }) => ports.includes(serverSeesPort ?? 0));
  expect(links).toHaveLength(1);
  for (const link of links) link.set({ kind: "hang", drop });
}
