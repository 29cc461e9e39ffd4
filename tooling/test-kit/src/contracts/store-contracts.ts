import { describeBus } from "./bus.js";
import { describeConnectionRegistry } from "./connection-registry.js";
import type { HarnessFactory } from "./harness.js";
import { describeHeldThings } from "./held-things.js";
import { describeHistory } from "./history.js";
import { describePartitionReconcile } from "./partition-reconcile.js";
import { describePresenceChanges } from "./presence-changes.js";
import { describePresenceGrace } from "./presence-grace.js";
import { describePresenceReading } from "./presence-reading.js";
import { describeRoomDirectory } from "./room-directory.js";
import { describeRoomPaging } from "./room-paging.js";
import { describeRoomRecords } from "./room-records.js";
import { describeRoomRosters } from "./room-rosters.js";
import { describeServerReaping } from "./server-reaping.js";
import { describeServerRegistry } from "./server-registry.js";
import { describeServerWatch } from "./server-watch.js";
import { describeStore } from "./store.js";
import { describeUserDirectory } from "./user-directory.js";

/**
 * Every promise that a store makes, as tests. `layout-mismatch` and the failures of a
 * link are not among them: how they come about is each store's own matter.
 */
export function describeStoreContracts(name: string, createHarness: HarnessFactory): void {
  describeStore(name, createHarness);
  describeServerRegistry(name, createHarness);
  describeServerReaping(name, createHarness);
  describeServerWatch(name, createHarness);
  describeConnectionRegistry(name, createHarness);
  describeRoomDirectory(name, createHarness);
  describeRoomPaging(name, createHarness);
  describeRoomRosters(name, createHarness);
  describeUserDirectory(name, createHarness);
  describePresenceChanges(name, createHarness);
  describePresenceGrace(name, createHarness);
  describePresenceReading(name, createHarness);
  describeRoomRecords(name, createHarness);
  describeHeldThings(name, createHarness);
  describePartitionReconcile(name, createHarness);
  describeBus(name, createHarness);
  describeHistory(name, createHarness);
}
