import { createStoreHarness, type StoreHarness } from "@cm/contract-tests/store";
import { createRedisStore } from "@cm/redis-store";
import { freshPrefix } from "@cm/test-kit";
import { inject } from "vitest";
import { describePresence } from "./presence-suite.fixture.js";
import { describeRandomChanges } from "./random-changes-suite.fixture.js";

for (const [name, url] of [
  ["Redis", inject("redisUrl")],
  ["Redis Cluster", inject("redisClusterUrl")],
] as const) {
  const createHarness = (): Promise<StoreHarness> => {
    const prefix = freshPrefix();
    return createStoreHarness({ createStore: () => createRedisStore({ url, prefix }) });
  };
  describePresence(name, createHarness);
  describeRandomChanges(name, createHarness, 8);
}
