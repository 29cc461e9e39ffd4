import { describeBus } from "./bus/bus.js";
import { describeHistory } from "./bus/history.js";
import { describeConnectionRegistry } from "./connection-registry.js";
import type { HarnessFactory } from "./harness.js";
import { describeHeldThings } from "./held-things.js";
import { describePartitionReconcile } from "./partition-reconcile.js";
import { describeRoomDirectory } from "./rooms/room-directory.js";
import { describeRoomPaging } from "./rooms/room-paging.js";
import { describeRoomRecords } from "./rooms/room-records.js";
import { describeRoomRosters } from "./rooms/room-rosters.js";
import { describeServerReaping } from "./servers/server-reaping.js";
import { describeServerRegistry } from "./servers/server-registry.js";
import { describeServerWatch } from "./servers/server-watch.js";
import { describeStore } from "./store.js";
import { describePresenceChanges } from "./users/presence-changes.js";
import { describePresenceGrace } from "./users/presence-grace.js";
import { describePresenceReading } from "./users/presence-reading.js";
import { describeUserDirectory } from "./users/user-directory.js";

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
