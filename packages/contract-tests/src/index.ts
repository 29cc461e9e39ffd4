// Stores
export { createStoreHarness } from "./store/harness.js";
export { describeStoreContracts } from "./store/store-contracts.js";
export { describeBus } from "./store/bus/bus.js";
export { describeHistory } from "./store/bus/history.js";

// Transports
export { describeTransport } from "./transport/transport.js";

// Types of the above
export type { HarnessFactory, StoreHarness, StoreHarnessParts } from "./store/harness.js";
export type { CreateTransport } from "./transport/transport-harness.js";
