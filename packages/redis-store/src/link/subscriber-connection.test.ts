import { EventEmitter } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Redis } from "ioredis";
import { expect, it, vi } from "vitest";
import { SubscriberConnection } from "./subscriber-connection.js";

it("an acknowledgement that was read after the time was up, but in the same turn, is not late", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const acknowledge = new Map<string, () => void>();
    const redis = Object.assign(new EventEmitter(), {
      status: "ready",
      stream: { writable: true },
      ssubscribe: (channel: string) => new Promise<void>((resolve) => acknowledge.set(channel, resolve)),
      sunsubscribe: async () => undefined,
    });
    const overdue = vi.fn();
    const ignore = (): void => undefined;
    const connection = new SubscriberConnection({
      // Only the members that the connection uses.
      redis: redis as unknown as Redis,
      sharded: true,
      acknowledgeTimeoutMs: 1_000,
      events: {
        message: ignore,
        live: ignore,
        restored: ignore,
        changed: ignore,
        renewed: ignore,
        moved: ignore,
        overdue,
        failed: ignore,
      },
    });
    // Two channels of different slots take a command each.
    connection.want("one");
    connection.want("two");
    await nextTurn();
    expect([...acknowledge.keys()]).toEqual(["one", "two"]);
    vi.advanceTimersByTime(500);
    acknowledge.get("one")?.();
    await nextTurn();
    expect([connection.isLive("one"), connection.isLate]).toEqual([true, false]);
    // The other one has the whole time again.
    vi.advanceTimersByTime(500);
    await nextTurn();
    expect([connection.isLate, overdue.mock.calls.length]).toEqual([true, 0]);
    vi.advanceTimersByTime(500);
    await nextTurn();
    expect(overdue).toHaveBeenCalledTimes(1);
    await connection.close();
  } finally {
    vi.useRealTimers();
  }
});
