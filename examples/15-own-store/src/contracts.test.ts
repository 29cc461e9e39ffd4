import { createStoreHarness, describeStoreContracts } from "@cm/contract-tests/store";
import { createHubStore } from "./client/hub-store.js";
import { startHub } from "./hub/hub.js";

describeStoreContracts("a store of one's own", async () => {
  // The hub's clock can be advanced, so that no test waits for a lease to expire.
  let aheadMs = 0;
  const hub = await startHub(() => Math.floor(performance.timeOrigin + performance.now()) + aheadMs);
  return createStoreHarness({
    createStore: () => createHubStore({ port: hub.port }),
    letTimePass: async (ms) => {
      aheadMs += ms;
    },
    storedEntries: async () => hub.held,
    cleanUp: () => hub.close(),
  });
});
