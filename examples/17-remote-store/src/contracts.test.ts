import { createStoreHarness, describeStoreContracts } from "@cm/contract-tests/store";
import { createMemoryHub } from "@cm/memory-store";
import { createRemoteStore, startHub } from "./remote-store.js";

describeStoreContracts("a remote store", async () => {
  let aheadMs = 0; // Puts the hub's clock forward, so that no test waits for a lease to run out.
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
