import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import { createStoreHarness } from "@cm/test-kit/contracts";
import { describeMembershipPresence } from "./presence-suite.fixture.js";

describeMembershipPresence("the memory store", () => {
  const hub = createMemoryHub();
  return createStoreHarness({ createStore: () => createMemoryStore({ hub }) });
});
