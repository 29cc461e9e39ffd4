import { setTimeout as sleep } from "node:timers/promises";
import { createMemoryStore } from "@cm/memory-store";
import { createConnectionIdSource, type StoreUpkeep } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";
import { Reaper } from "./reaper.js";

const CLAIM_MS = 50;

it("a cleanup whose step always outlasts its claim ends with an error that names the server", async () => {
  const store = createMemoryStore();
  onTestFinished(() => store.close());
  await store.start();
  const ids = createConnectionIdSource({ serverId: "dead" });
  const { serverId, incarnation, partitionBits } = ids;
  const lease = await store.servers.acquire(
    { serverId, incarnation, partitionBits, host: "127.0.0.1", port: 1 },
    60_000,
  );
  const connectionId = ids.next();
  await store.connections.put(lease, [{ connectionId, userId: "ann", connectedAt: 1, lastSeen: 1, rooms: [] }]);
  await store.users.add(lease, [{ connectionId, userId: "ann" }]);
  await store.servers.acquire({ serverId, incarnation, partitionBits, host: "127.0.0.1", port: 1 }, 1);

  const { upkeep } = store;
  let isSlow = true;
  let steps = 0;
  const evict: StoreUpkeep["projection"]["evict"] = async (claim, what) => {
    const evicted = await upkeep.projection.evict(claim, what);
    if (!isSlow) return evicted;
    steps++;
    await sleep(2 * CLAIM_MS);
    return evicted;
  };
  const projection = Object.assign(Object.create(upkeep.projection) as StoreUpkeep["projection"], { evict });
  const reaper = new Reaper({
    store: { ...store, upkeep: { ...upkeep, projection } },
    claimant: "survivor.aaaa",
    claimMs: CLAIM_MS,
    onClaimed: () => undefined,
    onRefused: () => undefined,
  });
  onTestFinished(() => reaper.stop());
  const failed = await eventually(async () => {
    const outcome = await reaper.reap("dead").catch((error: unknown) => error);
    if (outcome === undefined) throw new Error("Its lease has not expired yet.");
    return outcome;
  });
  expect(failed).toMatchObject({ code: "timeout", message: expect.stringContaining("dead") });
  expect(steps).toBe(4);
  // Once the store is quick enough, the next attempt completes the cleanup.
  isSlow = false;
  await eventually(async () => expect(await reaper.reap("dead")).toBe(1));
  expect(await store.counts.of("connections")).toBe(0);
});
