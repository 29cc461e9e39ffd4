import { createMemoryStore } from "@cm/memory-store";
import { expect, it, onTestFinished, vi } from "vitest";
import { serve } from "./limited-gateway.fixture.js";

const LIMIT = 60;

/** Starts a gateway that replaces a user's oldest connection, and `ann` at her limit. Counts the reads of records. */
async function startAtLimit() {
  const store = createMemoryStore();
  await store.start();
  onTestFinished(() => store.close());
  const reads = { total: 0, running: 0, highest: 0 };
  const gone = new Set<string>();
  const get = store.connections.get.bind(store.connections);
  vi.spyOn(store.connections, "get").mockImplementation(async (id) => {
    reads.total++;
    reads.running++;
    reads.highest = Math.max(reads.highest, reads.running);
    const record = await get(id);
    reads.running--;
    return gone.has(id) ? undefined : record;
  });
  // No two connections are opened at the same time.
  let time = 1_000;
  const clock = { now: () => ++time, monotonicMs: () => performance.now() };
  const limits = {
    maxConnectionsPerUser: LIMIT,
    connectionsPerUserPolicy: "replace",
    maxRequestsPerSecond: 0,
  } as const;
  const { open } = await serve({ ...limits, store, clock });
  const openMore = async (count: number) => {
    const sockets = [];
    for (let opened = 0; opened < count; opened++) sockets.push(await open("ann"));
    return sockets;
  };
  return { openMore, sockets: await openMore(LIMIT), reads, gone };
}

it("reads the record of each connection once to find the oldest one, and few records at a time", async () => {
  const { openMore, sockets, reads } = await startAtLimit();
  const more = await openMore(20);
  const oldest = sockets.slice(0, 20);
  for (const { closed } of oldest) expect(await closed).toMatchObject({ code: 4005 });
  expect([...sockets, ...more].filter(({ isOpen }) => isOpen)).toHaveLength(LIMIT);
  // Each further connection is read once. The oldest one is read again before it is closed, perhaps twice.
  expect(reads.total).toBeGreaterThanOrEqual(LIMIT);
  expect(reads.total).toBeLessThan(LIMIT + 4 * more.length);
  expect(reads.highest).toBeLessThanOrEqual(16);
});

it("replaces the oldest connection that still has a record", async () => {
  const { openMore, sockets, gone } = await startAtLimit();
  const [first, second, third, fourth] = sockets;
  await openMore(1);
  expect(await first?.closed).toMatchObject({ code: 4005 });
  gone.add(second?.id ?? "");
  await openMore(1);
  expect(await third?.closed).toMatchObject({ code: 4005 });
  expect([second, fourth].map((socket) => socket?.isOpen)).toEqual([true, true]);
});
