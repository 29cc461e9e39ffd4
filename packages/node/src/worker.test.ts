import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import type { LocalDelivery } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { describe, expect, it, onTestFinished } from "vitest";
import { createNode } from "./composed-node.js";

const NOWHERE: LocalDelivery = { toRoom: () => undefined, toConnection: () => false, toUser: () => 0 };

describe("a node without sockets", () => {
  it("publishes and reads, and is no server of the cluster", async () => {
    const hub = createMemoryHub();
    const heard: string[] = [];
    const server = createNode({
      store: await started(hub),
      local: { ...NOWHERE, toRoom: (room, frame) => heard.push(`${room}: ${new TextDecoder().decode(frame)}`) },
    });
    onTestFinished(() => server.close());
    await server.start();
    const connectionId = server.membership.nextConnectionId();
    await server.membership.open({ connectionId, userId: "ann" });
    await server.membership.join(connectionId, "hall");
    const worker = createNode({ store: await started(hub) });
    onTestFinished(() => worker.close());
    await worker.start();
    expect(worker.readiness()).toMatchObject({ ready: true, lease: "none" });
    await worker.router.toRoom("hall", "hello");
    await eventually(() => expect(heard).toEqual(["hall: hello"]));
    expect(await worker.presence.get("ann")).toMatchObject({ status: "online" });
    expect((await worker.store.servers.snapshot()).living).toHaveLength(1);
  });

  it("refuses to register connections, and says which option would let it", async () => {
    const { membership, serverId } = createNode({ local: NOWHERE, lease: false });
    const lease = expect.objectContaining({ code: "options-invalid", details: { field: "lease" } });
    const connection = { connectionId: "a", userId: "ann" };
    for (const call of [
      () => membership.open(connection),
      () => membership.update("a", 1),
      () => membership.join("a", "hall"),
      () => membership.reap("dead"),
      () => membership.reapExpired(),
    ]) {
      await expect(call()).rejects.toEqual(lease);
    }
    expect(() => membership.nextConnectionId()).toThrow(lease);
    expect(membership.serverId).toBe(serverId);
    expect(membership.stats()).toMatchObject({ connections: 0, rooms: 0 });
    await membership.close("a");
    await membership.leave("a", "hall");
  });

  it("acquires a lease if the option asks for one", async () => {
    const worker = createNode({ lease: true });
    onTestFinished(() => worker.close());
    await worker.start();
    expect(worker.readiness()).toMatchObject({ ready: true, lease: "held" });
    expect((await worker.store.servers.snapshot()).living).toMatchObject([{ serverId: worker.serverId }]);
  });
});

async function started(hub: ReturnType<typeof createMemoryHub>) {
  const store = createMemoryStore({ hub });
  await store.start();
  onTestFinished(() => store.close());
  return store;
}
