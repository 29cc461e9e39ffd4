import { freshPrefix, keysUnder } from "@cm/test-kit";
import { createStoreHarness, describeStoreContracts } from "@cm/test-kit/contracts";
import { inject } from "vitest";
import { createRedisStore } from "./index.js";

/** What is remembered on purpose, and runs out by itself. */
const RETAINED = /\{u\.\w+\}:(seen|version)$|\{servers\}:reaped$/;

for (const [name, url] of [
  ["Redis", inject("redisUrl")],
  ["Redis Cluster", inject("redisClusterUrl")],
] as const) {
  describeStoreContracts(name, () => {
    const prefix = freshPrefix();
    return createStoreHarness({
      createStore: () => createRedisStore({ url, prefix }),
      storedThings: async () => (await keysUnder(url, `${prefix}:`)).filter((key) => !RETAINED.test(key)).length,
    });
  });
}
