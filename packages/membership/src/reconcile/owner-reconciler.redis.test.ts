import { createStoreHarness } from "@cm/contract-tests/store";
import { createRedisStore } from "@cm/redis-store";
import { freshPrefix } from "@cm/test-kit";
import { inject } from "vitest";
import { describeOwnerReconciler } from "./owner-reconciler-suite.fixture.js";

for (const [name, url] of [
  ["Redis", inject("redisUrl")],
  ["Redis Cluster", inject("redisClusterUrl")],
] as const) {
  describeOwnerReconciler(name, () => {
    const prefix = freshPrefix();
    return createStoreHarness({ createStore: () => createRedisStore({ url, prefix, partitions: 16 }) });
  });
}
