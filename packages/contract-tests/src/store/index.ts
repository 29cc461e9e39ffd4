// The suites
export { describeStoreContracts } from "./store-contracts.js";
export { describeBus } from "./bus/bus.js";
export { describeHistory } from "./bus/history.js";

// What they run on
export { createStoreHarness } from "./harness.js";
export type { HarnessFactory, StoreHarness, StoreHarnessParts } from "./harness.js";
