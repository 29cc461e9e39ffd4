// Stores, or only their buses and histories
export { createStoreHarness } from "./store/store-harness.js";
export { describeStoreContracts } from "./store/store-contracts.js";
export { describeBus } from "./store/bus/bus.js";
export { describeHistory } from "./store/bus/history.js";
export { createPartHarness } from "./store/bus/part-harness.js";

// Transports, or only the sockets of another server
export { describeTransport } from "./transport/transport-contracts.js";
export { describeLocalConnections } from "./local-connections/local-connections.js";

// Clients of the protocol
export { describeClient } from "./client/client-contracts.js";

// Types of the functions above
export type { ClientContractOptions, ClientSuite } from "./client/client-contracts.js";
export type { ClientParts, StartClient, TestedClient } from "./client/client-harness.js";
export type { SkippedSuites } from "./skipped-suites.js";
export type { BusPart, PartHarness, PartHarnessParts } from "./store/bus/part-harness.js";
export type { HarnessFactory, StoreHarness, StoreHarnessParts } from "./store/store-harness.js";
export type { StoreContractsOptions, StoreSuite } from "./store/store-contracts.js";
export type { TransportContractOptions, TransportSuite } from "./transport/transport-contracts.js";
export type { CreateTransport } from "./transport/transport-harness.js";
export type {
  LocalConnectionsHarness,
  LocalConnectionsLimits,
  StartLocalConnections,
} from "./local-connections/local-connections.js";
