import { startFaultCluster } from "@cm/gateway-kit/processes/fault-cluster";
import { eventually, startRedis } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

/** Heartbeats as by default: what failed does not wait for the next one. */
const SLOW_HEARTBEATS = { heartbeatIntervalMs: 30_000, leaseTtlSeconds: 90 };

/**
 * Until a member whose join failed is seen no more, from Redis's return on: at most 1,100 ms to the next connection,
 * 1,000 ms by which servers spread what they do then, and the rest for the way.
 */
const GONE_WITHIN_MS = 3_000;

/** How long Redis stands still after the refusal: then removals are tried again after ever longer pauses. */
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
    // A machine that is busy elsewhere may delay any one of them, and not all.
    expect(Math.min(...visibleMs), `it took ${visibleMs.map(Math.round).join(", ")} ms`).toBeLessThan(GONE_WITHIN_MS);
  },
);
