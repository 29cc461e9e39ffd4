import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import { createStoreHarness } from "@cm/test-kit/contracts";
import { describeAudit } from "./shared-state-reconciler-suite.fixture.js";

describeAudit("the memory store", () => {
  const hub = createMemoryHub();
  return createStoreHarness({ createStore: () => createMemoryStore({ hub }) });
});
