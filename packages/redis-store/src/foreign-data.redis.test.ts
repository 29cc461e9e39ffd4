import type { CmError, FailureStage } from "@cm/protocol";
import { askRedis, freshPrefix, keysUnder } from "@cm/test-kit";
import { expect, inject, it } from "vitest";
import { createRedisStore } from "./index.js";
import { bringUp, connect, outcomeOf, portOf, startStore } from "./redis-store.fixture.js";

const url = inject("redisUrl");
const port = portOf(url);

it("names a key of the wrong type, tells it once, and goes on with others", async () => {
  const prefix = freshPrefix();
  const seen: { readonly error: CmError; readonly stage: FailureStage }[] = [];
  const store = await startStore({ url, prefix, onError: (error, { stage }) => seen.push({ error, stage }) });
  const server = await bringUp(store, "gw-1");
  await connect(store, server, "ann", ["broken", "whole"]);
  const key = (await keysUnder(url, `${prefix}:`)).find((name) => name.endsWith(":rooms:broken")) ?? "";
  await askRedis(port, "SET", key, "foreign");
  for (let i = 0; i < 3; i++) {
    const error = await store.rooms.members("broken", { limit: 10 }).catch((cause: CmError) => cause);
    expect(error).toMatchObject({ code: "store-corrupt", retryable: false, message: expect.stringContaining(key) });
    const join = store.rooms.join(server.lease, "broken", [{ connectionId: server.ids.next(), userId: "bob" }]);
    expect(await outcomeOf(join)).toBe("store-corrupt");
  }
  expect(await outcomeOf(connect(store, server, "bob", ["whole"]))).toBe("done");
  expect(await store.rooms.count("whole")).toBe(2);
  // One for what reads the key alone, one for the script that has others beside it.
  expect(new Set(seen.map(({ stage }) => stage))).toEqual(new Set(["store"]));
  expect(seen.length).toBeLessThanOrEqual(2);
  expect(store.link.state).toBe("in-sync");
});

it("fails with store-corrupt where something else lies in the place of the leases", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix });
  await askRedis(port, "SET", `${prefix}:{servers}`, "foreign");
  const error = await store.servers.list().catch((cause: CmError) => cause);
  expect(error).toMatchObject({ code: "store-corrupt", message: expect.stringContaining(`${prefix}:{servers}`) });
  expect(await outcomeOf(bringUp(store, "gw-1"))).toBe("store-corrupt");
  await askRedis(port, "DEL", `${prefix}:{servers}`);
  await bringUp(store, "gw-1");
});

it.each([
  ["no hash", ["SET", "", "foreign"]],
  ["a hash without numbers", ["HSET", "", "version", "one", "partitions", "many"]],
  ["a hash with half of a layout", ["HSET", "", "version", "1"]],
  ["a hash of somebody else", ["HSET", "", "color", "blue", "version", "-3", "partitions", "0"]],
] as const)(
  "refuses to start where the layout's key holds %s, and leaves it as it was",
  async (_, [command, , ...rest]) => {
    const prefix = freshPrefix();
    const key = `${prefix}:layout`;
    await askRedis(port, command, key, ...rest);
    const before = await askRedis(port, "DUMP", key);
    const store = createRedisStore({ url, prefix, onError: () => undefined });
    await expect(store.start()).rejects.toMatchObject({
      code: "store-corrupt",
      message: expect.stringContaining(key),
      details: { keys: [key] },
    });
    expect(await askRedis(port, "DUMP", key)).toEqual(before);
    await store.close();
  },
);
