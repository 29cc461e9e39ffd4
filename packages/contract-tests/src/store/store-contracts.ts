import { requireOptions } from "@cm/protocol/options";
import { describe, expect } from "vitest";
import { requireSkippedSuites, runSuites, type SkippedSuites } from "../skipped-suites.js";
import { describeBus } from "./bus/bus.js";
import { describeHistory } from "./bus/history.js";
import { describeConnectionRegistry } from "./connection-registry.js";
import { describePartitionReconcile } from "./partition-reconcile.js";
import { describeProjectionReading } from "./projection-reading.js";
import { describeRoomDirectory } from "./rooms/room-directory.js";
import { describeRoomPaging } from "./rooms/room-paging.js";
import { describeRoomRecords } from "./rooms/room-records.js";
import { describeRosterChanges } from "./rooms/roster-changes.js";
import { describeServerReaping } from "./servers/server-reaping.js";
import { describeServerRegistry } from "./servers/server-registry.js";
import { describeServerWatch } from "./servers/server-watch.js";
import type { HarnessFactory } from "./store-harness.js";
import { describeStore } from "./store-lifecycle.js";
import { scenarios } from "./store-scenarios.js";
import { describePresenceChanges } from "./users/presence-changes.js";
import { describePresenceGrace } from "./users/presence-grace.js";
import { describePresenceReading } from "./users/presence-reading.js";
import { describeUserDirectory } from "./users/user-directory.js";

/** All suites of a store, in the recommended order of implementing one. */
const SUITES = {
  link: describeStore,
  bus: describeBus,
  "server-registry": describeServerRegistry,
  "server-reaping": describeServerReaping,
  "server-watch": describeServerWatch,
  "connection-registry": describeConnectionRegistry,
  "room-directory": describeRoomDirectory,
  "room-paging": describeRoomPaging,
  "roster-changes": describeRosterChanges,
  "room-records": describeRoomRecords,
  "user-directory": describeUserDirectory,
  "presence-changes": describePresenceChanges,
  "presence-grace": describePresenceGrace,
  "presence-reading": describePresenceReading,
  "projection-reading": describeProjectionReading,
  "partition-reconcile": describePartitionReconcile,
  history: describeHistory,
} as const satisfies Record<string, (name: string, createHarness: HarnessFactory) => void>;

/** The name of one suite of {@link describeStoreContracts}. */
export type StoreSuite = keyof typeof SUITES;

/** Options of {@link describeStoreContracts}. */
export interface StoreContractsOptions {
  /**
   * Suites that the store does not pass, each with the reason, such as
   * `{ history: "messages are not kept" }`. Each is reported as a skipped test with its reason, and with a
   * warning. A store may lack only `history`: if this suite is skipped, the store's bus must not have a `history`.
   * A server cannot run on a store that lacks another part. Default: none.
   */
  readonly skip?: SkippedSuites<StoreSuite>;
}

/**
 * Contract tests for a whole store. Call it at the top level of a test file. `layout-mismatch` and failures
 * of the link are not tested, because each store has its own ways to cause them. Throws `options-invalid` for
 * a suite that does not exist, or that is skipped without a reason.
 */
export function describeStoreContracts(
  name: string,
  createHarness: HarnessFactory,
  options: StoreContractsOptions = {},
): void {
  const skipped = requireSkippedSuites(requireOptions(options, { skip: true }).skip ?? {}, SUITES);
  const suites = Object.fromEntries(
    Object.entries(SUITES).map(([suite, run]) => [suite, () => run(name, createHarness)]),
  ) as Record<StoreSuite, () => void>; // The keys are those of `SUITES`.
  runSuites(name, suites, skipped);
  if (skipped.history !== undefined) describeAbsentHistory(name, createHarness);
}

/**
 * Tests that a store without the history suite has no history: servers use a history if there is one, so a
 * store that has one must pass its suite.
 */
function describeAbsentHistory(name: string, createHarness: HarnessFactory): void {
  const it = scenarios(createHarness);

  describe(`${name}: no history`, () => {
    it("has none, since the suite is skipped", async ({ store }) => {
      expect(store.bus.history).toBeUndefined();
    });
  });
}
