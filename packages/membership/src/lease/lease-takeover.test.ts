import type { LinkState } from "@cm/protocol";
import { expect, it } from "vitest";
import { contractsOf, overridden, useTestServers } from "../membership.fixture.js";

const { clock, server } = useTestServers();

it("a shutdown during the start waits for the lease, releases it, and leaves no listener", async () => {
  const { store } = await server("b");
  let grant = (): void => undefined;
  const granted = new Promise<void>((resolve) => {
    grant = resolve;
  });
  const listeners = new Set<(state: LinkState) => void>();
  const servers = overridden(store.servers, {
    acquire: async (...args) => {
      await granted;
      return store.servers.acquire(...args);
    },
  });
  const link = {
    state: "in-sync" as const,
    onState(listener: (state: LinkState) => void) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  const { membership } = await server("a", { store: { ...contractsOf(store), servers, link } });
  const start = membership.start();
  const shutdown = membership.shutdown();
  grant();
  await expect(start).rejects.toMatchObject({ code: "closed" });
  await shutdown;
  expect((await store.servers.snapshot()).living).toEqual([]);
  expect(listeners.size).toBe(0);
  expect(membership.holdsLease).toBe(false);
});

it("a shutdown ends the start that waits for another server's cleanup after a dead process", async () => {
  const dead = await server("a", { heartbeatIntervalMs: 3_000, leaseTtlMs: 4_000 });
  await dead.membership.start();
  clock.ms += 5_000;
  expect(await dead.store.upkeep.servers.claim({ serverId: "a" }, "another server", 60_000)).toBeDefined();
  const { store } = await server("b");
  let attempts = 0;
  const servers = overridden(store.servers, {
    acquire: (...args) => {
      attempts++;
      return store.servers.acquire(...args);
    },
  });
  const { membership } = await server("a", { store: { ...contractsOf(store), servers } });
  const start = membership.start();
  await expect.poll(() => attempts).toBe(2);
  await Promise.all([expect(start).rejects.toMatchObject({ code: "closed" }), membership.shutdown()]);
  expect(attempts).toBe(2);
});

it("a shutdown ends the start that observes whether the holder of its id is dead", async () => {
  await (await server("a")).membership.start();
  const { store } = await server("b");
  let looks = 0;
  const upkeep = {
    ...store.upkeep,
    servers: overridden(store.upkeep.servers, {
      expire: async () => {
        looks++;
        return "recent";
      },
    }),
  };
  const { membership } = await server("a", { store: { ...contractsOf(store), upkeep }, deadAfterMs: 600_000 });
  const start = membership.start();
  await expect.poll(() => looks).toBe(1);
  await Promise.all([expect(start).rejects.toMatchObject({ code: "closed" }), membership.shutdown()]);
  expect(looks).toBe(1);
});
