import { createStoreHarness, describeStoreContracts } from "@cm/contract-tests/store";
import { createMemoryHub } from "@cm/memory-store";
import { createRemoteStore, startHub } from "./remote-store.js";

describeStoreContracts("a remote store", async () => {
  let aheadMs = 0; // Advances the hub's clock, so that no test waits for a lease to expire.
  const memory = createMemoryHub({ now: () => Date.now() + aheadMs });
  const { server, port } = await startHub(memory);
  return createStoreHarness({
    createStore: () => createRemoteStore(port),
    letTimePass: async (ms) => {
      aheadMs += ms;
    },
    cleanUp: async () => void server.close(),
  });
});
