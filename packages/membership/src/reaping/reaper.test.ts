import { createStoreHarness } from "@cm/contract-tests/store";
import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import { describeReaping } from "./reaper-suite.fixture.js";

describeReaping("the memory store", () => {
  const hub = createMemoryHub();
  return createStoreHarness({ createStore: () => createMemoryStore({ hub }) });
});
