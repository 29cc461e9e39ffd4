import { createStoreHarness, describeStoreContracts } from "@cm/contract-tests/store";
import { createHubStore } from "./client/hub-store.js";
import { startHub } from "./hub/hub.js";

describeStoreContracts("a store of one's own", async () => {
  // The clock can be put forward, so that no test waits for a lease to run out.
  let aheadMs = 0;
  const hub = await startHub(() => Math.floor(performance.timeOrigin + performance.now()) + aheadMs);
  return createStoreHarness({
    createStore: () => createHubStore({ port: hub.port }),
    letTimePass: async (ms) => {
      aheadMs += ms;
    },
    storedThings: async () => hub.held,
    cleanUp: () => hub.close(),
  });
});
