import {
  type CmError,
  createConnectionIdSource,
  encodeUtf8,
  type FailureStage,
  type PageRequest,
  type Store,
} from "@cm/protocol";
import { describe, expect, it, vi } from "vitest";
import { createMemoryHub, createMemoryStore } from "./index.js";
import { namespaceOf } from "./memory-hub.js";

const ROOM = { kind: "room", name: "lobby" } as const;

async function started(store: Store): Promise<Store> {
  await store.start();
  return store;
}

function server(serverId: string) {
  const ids = createConnectionIdSource({ serverId });
  const { incarnation, partitionBits } = ids;
  return { ids, registration: { serverId, incarnation, partitionBits, host: "127.0.0.1", port: 1 } };
}

describe("memory store", () => {
  it("refuses a message that is no bytes, and a page that is missing", async () => {
    const store = await started(createMemoryStore());
    // Values that plain JavaScript may pass.
    for (const message of ["text", { type: "hello" }, undefined]) {
      await expect(store.bus.publish(ROOM, message as unknown as Uint8Array)).rejects.toMatchObject({
        code: "options-invalid",
        details: { field: "message" },
      });
    }
    const page = { code: "options-invalid", details: { field: "page" } };
    await expect(store.users.online(undefined as unknown as PageRequest)).rejects.toMatchObject(page);
    await expect(store.rooms.members("lobby", undefined as unknown as PageRequest)).rejects.toMatchObject(page);
  });

  it("shares its data only within one hub and namespace", async () => {
    const hub = createMemoryHub();
    const { registration } = server("alpha");
    const own = await started(createMemoryStore({ hub }));
    await own.servers.acquire(registration, 60_000);
    const seenBy = async (store: Store) => (await (await started(store)).servers.snapshot()).living.length;
    expect(await seenBy(createMemoryStore({ hub }))).toBe(1);
    expect(await seenBy(createMemoryStore({ hub, namespace: "cm" }))).toBe(1);
    expect(await seenBy(createMemoryStore({ hub, namespace: "other" }))).toBe(0);
    expect(await seenBy(createMemoryStore({ hub: createMemoryHub() }))).toBe(0);
    expect(await seenBy(createMemoryStore())).toBe(0);
  });

  it("keeps what was put when the store that put it closes", async () => {
    const hub = createMemoryHub();
    const first = await started(createMemoryStore({ hub }));
    await first.servers.acquire(server("alpha").registration, 60_000);
    await first.close();
    const second = await started(createMemoryStore({ hub }));
    expect((await second.servers.snapshot()).living).toHaveLength(1);
  });

  it("judges leases by the clock it was given, to the millisecond", async () => {
    let nowMs = 5000;
    const store = await started(createMemoryStore({ now: () => nowMs }));
    const { registration } = server("alpha");
    expect(await store.servers.acquire(registration, 100)).toMatchObject({ expiresAtMs: 5100, ttlMs: 100 });
    nowMs = 5099;
    expect((await store.servers.snapshot()).living).toHaveLength(1);
    nowMs = 5100;
    expect((await store.servers.snapshot()).living).toEqual([]);
  });

  it("takes writes only under the lease as the last renewal brought it", async () => {
    let nowMs = 0;
    const store = await started(createMemoryStore({ now: () => nowMs }));
    const { registration, ids } = server("alpha");
    const first = await store.servers.acquire(registration, 100);
    const members = [{ connectionId: ids.next(), userId: "ann" }];
    nowMs = 60;
    const { lease } = await store.servers.renew(first, { connections: 0, rooms: 0 });
    await store.rooms.join(first, "lobby", members);
    nowMs = 120;
    await expect(store.rooms.leave(first, "lobby", members)).rejects.toMatchObject({ code: "lease-lost" });
    await store.rooms.leave(lease, "lobby", members);
    expect(await store.counts.of("rooms")).toBe(0);
  });

  it("tells the time since the Unix epoch by default", () => {
    const { now } = createMemoryHub();
    expect(Number.isInteger(now())).toBe(true);
    expect(Math.abs(now() - Date.now())).toBeLessThan(60_000);
  });

  it("reports a handler that throws, and calls the others all the same", async () => {
    const failures: { error: CmError; stage: FailureStage }[] = [];
    const hub = createMemoryHub();
    const faulty = await started(
      createMemoryStore({ hub, onError: (error, { stage }) => failures.push({ error, stage }) }),
    );
    const sound = await started(createMemoryStore({ hub }));
    const cause = new Error("a fault of the handler");
    const seen: number[] = [];
    await faulty.bus.subscribe(ROOM, () => {
      throw cause;
    });
    await sound.bus.subscribe(ROOM, ({ length }) => seen.push(length));
    await sound.bus.publish(ROOM, encodeUtf8("x"));
    await sound.bus.publish(ROOM, encodeUtf8("yy"));
    await vi.waitFor(() => expect(seen).toEqual([1, 2]));
    expect(failures).toMatchObject([{ error: { code: "internal", cause }, stage: "handler" }, { stage: "handler" }]);
  });

  it("starts and closes although a listener of its link throws, and reports the error", async () => {
    const failures: { error: CmError; stage: FailureStage }[] = [];
    const store = createMemoryStore({ onError: (error, { stage }) => failures.push({ error, stage }) });
    const cause = new Error("a fault of the listener");
    store.link.onState(() => {
      throw cause;
    });
    await store.start();
    await store.close();
    const failure = { error: { code: "internal", cause }, stage: "handler" };
    expect(failures).toMatchObject([failure, failure]);
  });

  it("copies a message when it is published: changing the bytes afterwards changes nothing", async () => {
    const store = await started(createMemoryStore());
    const seen: number[][] = [];
    await store.bus.subscribe(ROOM, (message) => seen.push([...message]));
    const message = Uint8Array.of(1, 2, 3);
    const publishing = store.bus.publish(ROOM, message);
    message.fill(9);
    await publishing;
    await vi.waitFor(() => expect(seen).toEqual([[1, 2, 3]]));
  });

  it("lets timers and sockets run while two handlers answer each other forever", async () => {
    const store = await started(createMemoryStore());
    let rounds = 0;
    const subscription = await store.bus.subscribe(ROOM, (message) => {
      rounds++;
      void store.bus.publish(ROOM, message);
    });
    await store.bus.publish(ROOM, encodeUtf8("x"));
    await new Promise((resolve) => setTimeout(resolve, 5));
    await subscription.close();
    expect(rounds).toBeGreaterThan(0);
  });

  it("copies records: neither writer nor reader can change what is stored", async () => {
    const store = await started(createMemoryStore());
    const { ids, registration } = server("alpha");
    const lease = await store.servers.acquire(registration, 60_000);
    const rooms = ["a"];
    const record = { connectionId: ids.next(), userId: "ann", connectedAt: 1, lastSeen: 1, rooms };
    await store.connections.put(lease, [record]);
    rooms.push("b");
    record.userId = "bob";
    const read = await store.connections.get(record.connectionId);
    expect(read).toMatchObject({ userId: "ann", rooms: ["a"] });
    expect(Object.isFrozen(read) && Object.isFrozen(read?.rooms)).toBe(true);
  });

  it("refuses the records of another server, all or none", async () => {
    const store = await started(createMemoryStore());
    const [alpha, beta] = [server("alpha"), server("beta")];
    const lease = await store.servers.acquire(alpha.registration, 60_000);
    const record = (connectionId: string) => ({ connectionId, userId: "u", connectedAt: 1, lastSeen: 1, rooms: [] });
    const own = alpha.ids.next();
    for (const foreign of [beta.ids.next(), server("alpha").ids.next(), "no id"]) {
      const put = store.connections.put(lease, [record(own), record(foreign)]);
      await expect(put).rejects.toMatchObject({ code: "id-invalid" });
    }
    expect(await store.connections.get(own)).toBeUndefined();
  });

  it("holds nothing after much has come and gone", async () => {
    const hub = createMemoryHub();
    const store = await started(createMemoryStore({ hub }));
    const { ids, registration } = server("alpha");
    const lease = await store.servers.acquire(registration, 60_000);
    for (let i = 0; i < 2000; i++) {
      const member = { connectionId: ids.next(), userId: `user-${i % 50}` };
      const room = `room-${i % 20}`;
      await store.connections.put(lease, [{ ...member, connectedAt: 1, lastSeen: 1, rooms: [room] }]);
      await store.rooms.join(lease, room, [member]);
      await store.users.add(lease, [member]);
      const subscription = await store.bus.subscribe({ kind: "room", name: room }, () => {});
      await store.users.remove(lease, [member], { graceMs: 0 });
      await store.rooms.leave(lease, room, [member]);
      await store.connections.remove(lease, [member.connectionId]);
      await subscription.close();
    }
    expect(namespaceOf(hub, "cm")?.size).toBe(0);
  });
});
