export { AWKWARD_NAMES } from "./awkward-names.js";
export { describeBus } from "./bus.js";
export { describeConnectionRegistry } from "./connection-registry.js";
export { describeHeldThings } from "./held-things.js";
export type { HarnessFactory, StoreHarness, StoreHarnessParts } from "./harness.js";
export { describeHistory } from "./history.js";
export { createStoreHarness } from "./harness.js";
export { describePresenceChanges } from "./presence-changes.js";
export { describePresenceGrace } from "./presence-grace.js";
export { describePresenceReading } from "./presence-reading.js";
export { describeRoomDirectory } from "./room-directory.js";
export { describeRoomPaging } from "./room-paging.js";
export { describeRoomRecords } from "./room-records.js";
export { describeRoomRosters } from "./room-rosters.js";
export { describeServerReaping } from "./server-reaping.js";
export { describeServerRegistry } from "./server-registry.js";
export { describeStore } from "./store.js";
export { describeStoreContracts } from "./store-contracts.js";
export { describeUserDirectory } from "./user-directory.js";

// Transports
export { describeTransport } from "./transport/transport.js";
export { OPCODE, RawClient } from "./transport/raw-client.js";
export type { CreateTransport, TestServer } from "./transport/transport-harness.js";
export { bytes, openClient, serverStarter, testOptions, WAIT } from "./transport/transport-harness.js";
