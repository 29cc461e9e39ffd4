import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import { isCmError, type LocalDelivery } from "@cm/protocol";
import { freePort } from "@cm/test-kit";
import { describe, expect, it, onTestFinished } from "vitest";
import { ManagerNode } from "./manager-node.js";
import type { ManagerNodeOptions } from "./options.js";

const NOWHERE: LocalDelivery = { toRoom: () => undefined, toConnection: () => false, toUser: () => 0 };

function makeNode(options: Partial<ManagerNodeOptions> = {}): ManagerNode {
  const node = new ManagerNode({ local: NOWHERE, ...options });
  onTestFinished(() => node.shutdown());
  return node;
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "done",
    (error: unknown) => (isCmError(error) ? error.code : "not coded"),
  );
}

describe("a manager's node", () => {
  it("serves from its start to its shutdown, and begins neither twice", async () => {
    const node = makeNode({ serverId: "alpha" });
    expect(node.isReady).toBe(false);
    expect(() => node.requireRunning()).toThrow(expect.objectContaining({ code: "closed" }));
    expect(node.start()).toBe(node.start());
    await node.start();
    expect(node.isReady).toBe(true);
    expect(await node.store.servers.list()).toMatchObject([{ serverId: "alpha" }]);
    expect(node.shutdown()).toBe(node.shutdown());
    await node.shutdown();
    expect(node.isReady).toBe(false);
    expect(node.store.link.state).toBe("closed");
    expect(() => node.requireRunning()).toThrow(expect.objectContaining({ code: "closed" }));
    expect(await codeOf(makeNode({ store: node.store }).start())).toBe("closed");
  });

  it("leaves a store that it was given open, and nothing of itself in it", async () => {
    const store = createMemoryStore();
    await store.start();
    onTestFinished(() => store.close());
    const node = makeNode({ store });
    await node.start();
    const connectionId = node.membership.nextConnectionId();
    await node.membership.open({ connectionId, userId: "ann" });
    await node.membership.join(connectionId, "hall");
    await node.shutdown();
    expect(store.link.state).toBe("in-sync");
    expect(await store.servers.list()).toEqual([]);
    expect(await store.rooms.countRooms()).toBe(0);
    expect(await store.users.countConnections()).toBe(0);
  });

  it("ends what it had begun where its start fails", async () => {
    const hub = createMemoryHub();
    await makeNode({ serverId: "taken", store: await started(hub) }).start();
    const store = await started(hub);
    const node = makeNode({ serverId: "taken", store });
    expect(await codeOf(node.start())).toBe("server-id-taken");
    expect(await codeOf(node.router.toRoom("hall", "x"))).toBe("closed");
    expect(await codeOf(node.presence.countOnline())).toBe("closed");
    await node.shutdown();
  });

  it("stops at once where it is shut down while it waits for Redis", async () => {
    const node = makeNode({ redisUrl: `redis://127.0.0.1:${await freePort()}`, onError: () => undefined });
    const start = codeOf(node.start());
    await node.shutdown();
    expect(await start).toBe("closed");
  });

  it("goes where another process took its id", async () => {
    let now = 1_000_000;
    const hub = createMemoryHub({ now: () => now });
    const told: string[] = [];
    const node = makeNode({
      serverId: "one",
      store: await started(hub),
      onError: ({ code }, { stage }) => told.push(`${stage} ${code}`),
    });
    await node.start();
    now += 100_000;
    await makeNode({ serverId: "one", store: await started(hub) }).start();
    const connectionId = node.membership.nextConnectionId();
    expect(await codeOf(node.membership.open({ connectionId, userId: "ann" }))).toBe("server-id-taken");
    await node.shutdown();
    expect(told).toContain("lease server-id-taken");
    expect(node.isReady).toBe(false);
  });

  it("cleans up after the dead when it is told to, and says how much there was", async () => {
    let now = 1_000_000;
    const hub = createMemoryHub({ now: () => now });
    const dead = makeNode({ serverId: "dead", store: await started(hub), onError: () => undefined });
    await dead.start();
    for (const userId of ["ann", "bob"]) {
      await dead.membership.open({ connectionId: dead.membership.nextConnectionId(), userId });
    }
    await dead.store.close();
    await dead.shutdown();
    const node = makeNode({ serverId: "alive", store: await started(hub) });
    await node.start();
    expect(await node.membership.reap("dead")).toBeUndefined();
    expect(await node.membership.reapExpired()).toBe(0);
    now += 100_000;
    expect(await node.membership.reapExpired()).toBe(2);
    expect(await node.store.users.countConnections()).toBe(0);
    expect(await node.membership.reap("dead")).toBeUndefined();
    expect(await node.membership.reap("alive")).toBeUndefined();
    expect(await codeOf(node.membership.reap("not an id"))).toBe("id-invalid");
  });

  it.each([
    [{ serverId: "not an id" }, "serverId"],
    [{ store: createMemoryStore(), redisUrl: "redis://127.0.0.1" }, "redisUrl"],
    [{ redisUrl: "http://127.0.0.1" }, "url"],
    [{ leaseTtlMs: 1_000, heartbeatIntervalMs: 2_000 }, "leaseTtlMs"],
  ])("refuses %o for its %s", (options, field) => {
    expect(() => new ManagerNode({ local: NOWHERE, ...options })).toThrow(
      expect.objectContaining({ code: "options-invalid", details: expect.objectContaining({ field }) }),
    );
  });
});

async function started(hub: ReturnType<typeof createMemoryHub>) {
  const store = createMemoryStore({ hub });
  await store.start();
  onTestFinished(() => store.close());
  return store;
}
