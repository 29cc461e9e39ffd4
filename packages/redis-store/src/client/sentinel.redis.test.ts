import { eventually, type RedisSentinel, startFaultProxy, startRedisSentinel } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";
import { outcomeOf, startStore } from "../redis-store.fixture.js";
import type { RedisStore } from "../redis-store.js";

async function startSentinels(): Promise<RedisSentinel> {
  const sentinel = await startRedisSentinel({ sentinels: 3 });
  onTestFinished(() => sentinel.close());
  return sentinel;
}

const CHANNEL = { kind: "room", name: "lobby" } as const;

/**
 * Waits until publishing works: each Sentinel announces the new master, and the client reconnects at the
 * announcement.
 */
function untilPublished(store: RedisStore): Promise<void> {
  return eventually(
    async () => {
      expect(store.link.state).toBe("in-sync");
      expect(await outcomeOf(store.bus.publish(CHANNEL, Buffer.from("x")))).toBe("done");
    },
    { timeoutMs: 15_000, intervalMs: 100 },
  );
}

it("connects again if the failover is announced while it is still asking for the master", async () => {
  const sentinel = await startSentinels();
  // This Sentinel is asked first and responds slowly. The two others, which it lists, announce the failover
  // at once.
  const slow = await startFaultProxy(sentinel.ports[0] ?? 0);
  onTestFinished(() => slow.close());
  const store = await startStore({ url: `redis+sentinel://127.0.0.1:${slow.port}/0?master=${sentinel.masterName}` });
  let heard = 0;
  await store.bus.subscribe(CHANNEL, () => heard++);
  await slow.set({ kind: "delay", toClientMs: 900 });
  await sentinel.master.kill();
  await sentinel.untilFailedOver(sentinel.master);
  await slow.set({ kind: "pass" });
  await untilPublished(store);
  await eventually(() => expect(heard).toBeGreaterThan(0));
});

it("does not wait for a Sentinel that hangs: the next one is asked", async () => {
  const sentinel = await startSentinels();
  const store = await startStore({ url: sentinel.url, commandTimeoutMs: 1_000 });
  await sentinel.sentinels[0]?.pause();
  await sentinel.master.kill();
  await eventually(() => expect(store.link.state).toBe("down"));
  await untilPublished(store);
});
