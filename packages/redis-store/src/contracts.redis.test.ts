import { createStoreHarness, describeStoreContracts } from "@cm/contract-tests/store";
import { freshPrefix, keysLeftUnder } from "@cm/test-kit";
import { inject } from "vitest";
import { createRedisStore } from "./index.js";

for (const [name, url] of [
  ["Redis", inject("redisUrl")],
  ["Redis Cluster", inject("redisClusterUrl")],
] as const) {
  describeStoreContracts(name, () => {
    const prefix = freshPrefix();
    return createStoreHarness({
      createStore: () => createRedisStore({ url, prefix }),
      storedThings: async () => (await keysLeftUnder(url, `${prefix}:`)).length,
    });
  });
}
