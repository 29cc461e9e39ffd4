import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import { createStoreHarness } from "@cm/test-kit/contracts";
import { itFollowsTheModel } from "./history-suite.fixture.js";

itFollowsTheModel(
  "the memory store",
  () => {
    const hub = createMemoryHub();
    return createStoreHarness({ createStore: () => createMemoryStore({ hub }) });
  },
  1_000,
);
