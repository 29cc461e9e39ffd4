import { createStoreHarness } from "@cm/contract-tests/store";
import { createRedisStore } from "@cm/redis-store";
import { freshPrefix } from "@cm/test-kit";
import { inject } from "vitest";
import { describeReaping } from "./reaper-suite.fixture.js";

for (const [name, url] of [
  ["Redis", inject("redisUrl")],
  ["Redis Cluster", inject("redisClusterUrl")],
] as const) {
  describeReaping(name, () => {
    const prefix = freshPrefix();
    return createStoreHarness({ createStore: () => createRedisStore({ url, prefix }) });
  });
}
