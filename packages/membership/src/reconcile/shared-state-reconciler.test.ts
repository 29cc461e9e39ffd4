import { createStoreHarness } from "@cm/contract-tests/store";
import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import { describeAudit } from "./shared-state-reconciler-suite.fixture.js";

describeAudit("the memory store", () => {
  const hub = createMemoryHub();
  return createStoreHarness({ createStore: () => createMemoryStore({ hub }) });
});
