import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import { createStoreHarness, type StoreHarness } from "@cm/test-kit/contracts";
import { describePresence } from "./presence-suite.fixture.js";
import { describeStorms } from "./storm-suite.fixture.js";

function createHarness(): Promise<StoreHarness> {
  const hub = createMemoryHub();
  return createStoreHarness({ createStore: () => createMemoryStore({ hub }) });
}

describePresence("the memory store", createHarness);
describeStorms("the memory store", createHarness, 25);
