import { createMemoryStore } from "@cm/memory-store";
import { createConnectionIdSource } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";
import { createMembership } from "../index.js";

it("gives a sign of life as soon as it holds the lease, so that a server that dies at its start is found dead", async () => {
  const store = createMemoryStore();
  await store.start();
  onTestFinished(() => store.close());
  const ids = createConnectionIdSource({ serverId: "a" });
  const { incarnation } = ids;
  const membership = createMembership({
    ids,
    store,
    interest: { enter: async () => undefined, exit: () => undefined },
    // The server sends a sign of life every 12 s.
    deadAfterMs: 60_000,
  });
  onTestFinished(() => membership.shutdown());
  await membership.start();
  // `alive` would mean that no sign of life is known.
  await eventually(async () => {
    expect(await store.upkeep.servers.expire({ serverId: "a", incarnation }, 60_000)).toBe("recent");
  });
});
