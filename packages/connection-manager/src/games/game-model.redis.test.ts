import { createStoreHarness } from "@cm/contract-tests/store";
import { createRedisStore } from "@cm/redis-store";
import { freshPrefix, repetitions } from "@cm/test-kit";
import { inject } from "vitest";
import { itFollowsTheModel } from "./game-model-suite.fixture.js";

itFollowsTheModel(
  "Redis",
  () => {
    const prefix = freshPrefix();
    // Few partitions, because statistics are read after each step.
    return createStoreHarness({
      createStore: () => createRedisStore({ url: inject("redisUrl"), prefix, partitions: 4 }),
    });
  },
  repetitions(1_000),
);
