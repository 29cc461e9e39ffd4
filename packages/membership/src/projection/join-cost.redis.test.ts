import { createConnectionIdSource } from "@cm/protocol";
import { createRedisStore } from "@cm/redis-store";
import { eventually, freshPrefix } from "@cm/test-kit";
import { expect, inject, it, onTestFinished } from "vitest";
import { createMembership } from "../index.js";
import { scriptCalls, startRelay } from "./call-relay.fixture.js";

async function startWatched(maxConnectionsPerUser = 0) {
  const relay = await startRelay(inject("redisUrl"));
  const prefix = freshPrefix();
  const store = createRedisStore({ url: relay.url, prefix });
  onTestFinished(() => store.close());
  await store.start();
  const membership = createMembership({
    ids: createConnectionIdSource({ serverId: "a" }),
    store,
    interest: { enter: async () => undefined, exit: () => undefined },
    maxConnectionsPerUser,
    // No heartbeat interferes with the measured calls.
    heartbeatIntervalMs: 600_000,
    leaseTtlMs: 1_200_000,
  });
  onTestFinished(() => membership.shutdown());
  await membership.start();
  return { relay, store, membership, prefix };
}

it("a join and a leave cost the same in 0, 10 and 99 other rooms", async () => {
  const { relay, store, membership } = await startWatched();
  const connectionId = membership.nextConnectionId();
  await membership.open({ connectionId, userId: "ann" });
  // Make Redis load the scripts, so that the counted calls do not contain them.
  await membership.join(connectionId, "warm");
  await membership.leave(connectionId, "warm");
  await eventually(async () => expect((await store.connections.get(connectionId))?.rooms).toEqual([]));

  const costs: { readonly bytes: number; readonly calls: number }[] = [];
  let rooms = 0;
  for (const others of [0, 10, 99]) {
    for (; rooms < others; rooms++) await membership.join(connectionId, `room-${rooms}`);
    relay.take();
    await membership.join(connectionId, "probe");
    await membership.leave(connectionId, "probe");
    // The record is updated after the call has resolved.
    await eventually(async () => expect((await store.connections.get(connectionId))?.rooms).not.toContain("probe"));
    const writes = scriptCalls(relay.take()).filter((call) => call.includes("probe"));
    costs.push({
      bytes: writes.reduce((sum, call) => sum + (call.split("*")[1] ?? "").length, 0),
      calls: writes.length,
    });
  }
  // A join writes the record and the room; a leave writes the room and the record.
  expect(costs.map(({ calls }) => calls)).toEqual([4, 4, 4]);
  expect(new Set(costs.map(({ bytes }) => bytes)).size).toBe(1);
});

it("connections that open, join or close in one turn share calls", async () => {
  const { relay, store, membership, prefix } = await startWatched();
  const callsOf = () => scriptCalls(relay.take()).length;
  const connect = async () => {
    const connectionId = membership.nextConnectionId();
    await membership.open({ connectionId, userId: "ann" });
    return connectionId;
  };
  // Make Redis load the scripts, so that the counted calls do not contain them.
  await membership.join(await connect(), "lobby");
  relay.take();
  const ids = await Promise.all(Array.from({ length: 50 }, connect));
  // One call writes the records, and one the users of one partition.
  expect(callsOf()).toBe(2);
  await Promise.all(ids.map((connectionId) => membership.join(connectionId, "lobby")));
  expect(callsOf()).toBe(2);
  expect(await store.rooms.count("lobby")).toBe(51);
  expect((await store.connections.get(ids[49] ?? ""))?.rooms).toEqual(["lobby"]);

  const watcher = createRedisStore({ url: inject("redisUrl"), prefix });
  onTestFinished(() => watcher.close());
  await watcher.start();
  relay.take();
  await Promise.all(ids.map((connectionId) => membership.close(connectionId)));
  for (const connectionId of ids) {
    await eventually(async () => expect(await watcher.connections.get(connectionId)).toBeUndefined());
  }
  // One call removes the user's connections, one the room's members, and one the records.
  expect(callsOf()).toBe(3);
  expect(await watcher.rooms.count("lobby")).toBe(1);
});

it("of the connections that open in one turn, only the refused one fails", async () => {
  const { store, membership } = await startWatched(2);
  const outcomes = await Promise.allSettled(
    ["ann", "ann", "ann", "bob"].map((userId) =>
      membership.open({ connectionId: membership.nextConnectionId(), userId }),
    ),
  );
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled"]);
  expect(outcomes[2]).toMatchObject({ reason: { code: "connections-limit" } });
  const states = await store.users.states(["ann", "bob"]);
  expect(states.map(({ connections }) => connections.length)).toEqual([2, 1]);
});
