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
    "Redis refuses this client: NOPERM. Its user lacks the right to the command evalsha.",
  ],
  // Inside of a script, which Redis names by its digest.
  [
    "NOPERM",
    ["ACL", "SETUSER", "default", "-hset"],
    "Redis refuses this client: NOPERM. Its user lacks the right to the command hset.",
  ],
  [
    "NOPERM",
    ["ACL", "SETUSER", "default", "resetkeys", "~other:*"],
    "Redis refuses this client: NOPERM. Its user lacks the right to one of the keys that are needed.",
  ],
] as const)("says what Redis says where it answers with %s", async (_, command, message) => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const store = await startStore({ url: redis.url });
  const { lease } = await bringUp(store, "gw-1");
  // Redis knows the script from here on.
  await store.servers.renew(lease, { connections: 0, rooms: 0 });
  await redis.ask(...command);
  await expect(store.servers.renew(lease, { connections: 0, rooms: 0 })).rejects.toMatchObject({
    code: "unavailable",
    retryable: true,
    message,
  });
});
