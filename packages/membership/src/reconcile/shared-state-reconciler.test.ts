import { createStoreHarness } from "@cm/contract-tests/store";
import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import { CmError, type ServerIncarnation } from "@cm/protocol";
import { expect, it, vi } from "vitest";
import type { MembershipStore } from "../options.js";
import { DriftTally } from "./drift-report.js";
import { SharedStateReconciler } from "./shared-state-reconciler.js";
import { describeSharedStateReconciler } from "./shared-state-reconciler-suite.fixture.js";

describeSharedStateReconciler("the memory store", () => {
  const hub = createMemoryHub();
  return createStoreHarness({ createStore: () => createMemoryStore({ hub }) });
});

const SELF: ServerIncarnation = { serverId: "self", incarnation: "aaaa" };
const GHOST: ServerIncarnation = { serverId: "ghost", incarnation: "bbbb" };

/** A reconciler of a partition in which an unknown server owns entries. Records which servers it claims. */
function reconcilerOf(readRegistry: () => void) {
  const [claimed, errors]: [ServerIncarnation[], CmError[]] = [[], []];
  const store = {
    partitions: 1,
    servers: {
      snapshot: async () => {
        readRegistry();
        return { living: [SELF], lapsed: [], recentlyGone: [], knownForMs: 0 };
      },
    },
    upkeep: {
      servers: { claim: async (holder: ServerIncarnation) => void claimed.push(holder) },
      projection: { reconcile: async () => ({ repaired: 0, holders: [GHOST] }) },
    },
  };
  const reconciler = new SharedStateReconciler({
    // Only the members that the reconciler uses until a claim fails.
    store: store as unknown as MembershipStore,
    self: SELF,
    beats: 1,
    graceMs: 1_000,
    keepMs: 60_000,
    claimMs: 1_000,
    tally: new DriftTally(),
    onDrift: () => undefined,
    onError: (error) => errors.push(error),
  });
  return { reconciler, claimed, errors, beat: () => reconciler.beat(new AbortController().signal) };
}

it.each(["a snapshot of the registry fails", "the store may have lost data"])(
  "an unknown server's grace period begins again if %s, because it may have been known meanwhile",
  async (cause) => {
    vi.useFakeTimers({ toFake: ["performance"] });
    try {
      let isDown = false;
      const { reconciler, claimed, errors, beat } = reconcilerOf(() => {
        if (isDown) throw new CmError("unavailable", "It can't be reached.");
      });
      await beat();
      vi.advanceTimersByTime(900);
      if (cause === "the store may have lost data") {
        reconciler.doubt();
      } else {
        isDown = true;
        await beat();
        expect(errors).toMatchObject([{ code: "unavailable" }]);
        isDown = false;
      }
      await beat();
      vi.advanceTimersByTime(900);
      await beat();
      expect(claimed).toEqual([]);
      vi.advanceTimersByTime(100);
      await beat();
      // Its entries lie in the partition of rooms and in that of users.
      expect(claimed).toEqual([GHOST, GHOST]);
    } finally {
      vi.useRealTimers();
    }
  },
);
