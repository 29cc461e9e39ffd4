import { createStoreHarness, describeStoreContracts } from "@cm/contract-tests/store";
import { createMemoryHub, namespaceOf } from "./memory-hub.js";
import { createMemoryStore } from "./memory-store.js";

describeStoreContracts("memory store, on a clock of the test's own", () => {
  let nowMs = 1_700_000_000_000;
  const hub = createMemoryHub({ now: () => nowMs });
  return createStoreHarness({
    createStore: () => createMemoryStore({ hub }),
    letTimePass: async (ms) => {
      nowMs += ms;
    },
    storedEntries: async () => namespaceOf(hub, "cm")?.size ?? 0,
  });
});

describeStoreContracts("memory store, on the default clock", () => {
  const hub = createMemoryHub();
  return createStoreHarness({
    createStore: () => createMemoryStore({ hub }),
    storedEntries: async () => namespaceOf(hub, "cm")?.size ?? 0,
  });
});
