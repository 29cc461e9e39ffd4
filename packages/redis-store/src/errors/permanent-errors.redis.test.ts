import { startRedis } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";
import { bringUp, startStore } from "../redis-store.fixture.js";

it.each([
  ["OOM", ["CONFIG", "SET", "maxmemory", "1"], "Redis refuses writes for now: OOM."],
  ["NOREPLICAS", ["CONFIG", "SET", "min-replicas-to-write", "1"], "Redis refuses writes for now: NOREPLICAS."],
  ["READONLY", ["REPLICAOF", "127.0.0.1", "1"], "Redis refuses writes for now: READONLY."],
  [
    "NOPERM",
    ["ACL", "SETUSER", "default", "-evalsha"],
    "Redis refuses this client: NOPERM. Its user lacks the permission for the command evalsha.",
  ],
  // The command fails inside a script, which Redis names by its digest.
  [
    "NOPERM",
    ["ACL", "SETUSER", "default", "-hset"],
    "Redis refuses this client: NOPERM. Its user lacks the permission for the command hset.",
  ],
  [
    "NOPERM",
    ["ACL", "SETUSER", "default", "resetkeys", "~other:*"],
    "Redis refuses this client: NOPERM. Its user lacks the permission for one of the keys that are needed.",
  ],
] as const)("reports Redis's reason if it answers with %s", async (_, command, message) => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const store = await startStore({ url: redis.url });
  const { lease } = await bringUp(store, "gw-1");
  // From here on, Redis knows the script.
  await store.servers.renew(lease, { connections: 0, rooms: 0 });
  await redis.ask(...command);
  await expect(store.servers.renew(lease, { connections: 0, rooms: 0 })).rejects.toMatchObject({
    code: "unavailable",
    retryable: true,
    message,
  });
});

it("writes no change of presence that it may not announce", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const store = await startStore({ url: redis.url });
  const { lease, ids } = await bringUp(store, "gw-1");
  await store.rooms.enableAnnouncements("lobby", 60_000);
  const ada = { userId: "ada", connectionId: ids.next() };
  const bob = { userId: "bob", connectionId: ids.next() };
  const join = () => store.rooms.join(lease, "lobby", [ada]);
  const leave = () => store.rooms.leave(lease, "lobby", [bob]);
  const add = () => store.users.add(lease, [ada]);
  const remove = () => store.users.remove(lease, [bob], { graceMs: 0 });
  await store.rooms.join(lease, "lobby", [bob]);
  await store.users.add(lease, [bob]);
  const seen = async () => ({
    members: (await store.rooms.members("lobby", { limit: 10 })).items.map(({ userId }) => userId),
    online: (await store.users.states(["ada", "bob"])).map(({ connections }) => connections.length),
  });
  await redis.ask("ACL", "SETUSER", "default", "-publish");
  for (const change of [join, leave, add, remove]) {
    await expect(change()).rejects.toMatchObject({ code: "unavailable", details: { missing: "publish" } });
  }
  expect(await seen()).toEqual({ members: ["bob"], online: [0, 1] });
  await redis.ask("ACL", "SETUSER", "default", "+publish");
  for (const change of [join, leave, add, remove]) await change();
  expect(await seen()).toEqual({ members: ["ada"], online: [1, 0] });
});
