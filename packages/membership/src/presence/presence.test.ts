import { createStoreHarness } from "@cm/contract-tests/store";
import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import { describeMembershipPresence } from "./presence-suite.fixture.js";

describeMembershipPresence("the memory store", () => {
  const hub = createMemoryHub();
  return createStoreHarness({ createStore: () => createMemoryStore({ hub }) });
});
