import { createStoreHarness } from "@cm/contract-tests/store";
import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import { itFollowsTheModel } from "./game-model-suite.fixture.js";

itFollowsTheModel(
  "the memory store",
  () => {
    const hub = createMemoryHub();
    return createStoreHarness({ createStore: () => createMemoryStore({ hub }) });
  },
  1_000,
);
