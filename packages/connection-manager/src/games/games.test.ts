import { createStoreHarness } from "@cm/contract-tests/store";
import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import { describeGames } from "./games-suite.fixture.js";

describeGames("the memory store", (roomRecordTtlMs) => {
  let passedMs = 0;
  const hub = createMemoryHub({ now: () => Date.now() + passedMs });
  return createStoreHarness({
    createStore: () => createMemoryStore({ hub, ...(roomRecordTtlMs === undefined ? {} : { roomRecordTtlMs }) }),
    letTimePass: async (ms) => {
      passedMs += ms;
    },
  });
});
