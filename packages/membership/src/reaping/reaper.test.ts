import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import { createStoreHarness } from "@cm/test-kit/contracts";
import { describeReaping } from "./reaper-suite.fixture.js";

describeReaping("the memory store", () => {
  const hub = createMemoryHub();
  return createStoreHarness({ createStore: () => createMemoryStore({ hub }) });
});
