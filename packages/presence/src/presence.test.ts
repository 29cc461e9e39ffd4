import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import { createStoreHarness } from "@cm/test-kit/contracts";
import { describePresence } from "./presence-suite.fixture.js";

describePresence("the memory store", () => {
  const hub = createMemoryHub();
  return createStoreHarness({ createStore: () => createMemoryStore({ hub }) });
});
