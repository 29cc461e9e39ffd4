// The suites
export { describeStoreContracts } from "./store-contracts.js";
export type { StoreContractsOptions, StoreSuite } from "./store-contracts.js";

// The harness that they take
export { createStoreHarness } from "./store-harness.js";
export type { HarnessFactory, StoreHarness, StoreHarnessParts } from "./store-harness.js";
