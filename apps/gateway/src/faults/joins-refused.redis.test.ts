import { startFaultCluster } from "@cm/gateway-kit/processes/fault-cluster";
import { eventually, startRedis } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

/** The default intervals: a failed removal must be retried before the next heartbeat. */
const SLOW_HEARTBEATS = { heartbeatIntervalMs: 30_000, leaseTtlSeconds: 90 };

/**
 * Maximum time from Redis's return until a member whose join failed is no longer visible: up to 1,100 ms until the next
 * connection attempt, up to 1,000 ms by which servers spread their work after it, and the rest for delivery.
 */
const GONE_WITHIN_MS = 3_000;

/**
 * Times for which Redis is paused after the failed join. During the pause, removals are retried with increasing
 * delays.
 */
const OUTAGES: readonly (readonly [string, number])[] = [
  ["until the join failed", 0],
  ["for 7 s more", 7_000],
];

it.each(OUTAGES)(
  "a join that failed while Redis stood still %s leaves no member behind, though Redis carries it out later",
  { timeout: 120_000 },
  async (_, longerMs) => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    const cluster = await startFaultCluster({ redis, ...SLOW_HEARTBEATS });
    const [ada, bob] = await Promise.all([cluster.connect(0, "ada"), cluster.connect(1, "bob")]);
    await bob.do({ type: "join", room: "r" });
    const users = async (): Promise<unknown> => {
      const roster = await bob.ask({ type: "members", room: "r" });
      return roster.type === "members"
        ? roster.members.map(({ user }) => user)
        : roster.type === "error" && roster.code;
    };
    const visibleMs: number[] = [];
    for (let round = 0; round < 3; round++) {
      await redis.pause();
      const refused = await ada.ask({ type: "join", room: "r" });
      expect(refused).toMatchObject({ type: "error", retryable: true });
      expect(["unavailable", "timeout"]).toContain(refused.type === "error" && refused.code);
      await new Promise((resolve) => setTimeout(resolve, longerMs));
      await redis.resume();
      const backAt = performance.now();
      await eventually(async () => {
        expect((await cluster.stats(0)).pendingRemovals).toBe(0);
        expect(await users()).toEqual(["bob"]);
      });
      visibleMs.push(performance.now() - backAt);
      await cluster.untilReady();
      expect(await users()).not.toEqual(expect.arrayContaining(["ada"]));
    }
    // A busy machine may delay some of the rounds, but not all of them.
    expect(Math.min(...visibleMs), `it took ${visibleMs.map(Math.round).join(", ")} ms`).toBeLessThan(GONE_WITHIN_MS);
  },
);
