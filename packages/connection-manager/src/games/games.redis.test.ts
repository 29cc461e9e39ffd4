import { createStoreHarness } from "@cm/contract-tests/store";
import { createRedisStore } from "@cm/redis-store";
import { freshPrefix } from "@cm/test-kit";
import { inject } from "vitest";
import { describeGames } from "./games-suite.fixture.js";

for (const [name, url] of [
  ["Redis", inject("redisUrl")],
  ["Redis Cluster", inject("redisClusterUrl")],
] as const) {
  describeGames(name, (roomRecordTtlMs) => {
    const prefix = freshPrefix();
    return createStoreHarness({
      createStore: () =>
        createRedisStore({ url, prefix, ...(roomRecordTtlMs === undefined ? {} : { roomRecordTtlMs }) }),
    });
  });
}
