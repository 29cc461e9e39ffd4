import { createStoreHarness, type StoreHarness } from "@cm/contract-tests/store";
import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import { describePresence } from "./presence-suite.fixture.js";
import { describeRandomChanges } from "./random-changes-suite.fixture.js";

function createHarness(): Promise<StoreHarness> {
  const hub = createMemoryHub();
  return createStoreHarness({ createStore: () => createMemoryStore({ hub }) });
}

describePresence("the memory store", createHarness);
describeRandomChanges("the memory store", createHarness, 25);
