/*
 * This is not a test by itself: `suites-bite.test.ts` runs this file and expects it to fail. It contains buses
 * that break one rule of the contract each, and suites that are skipped.
 */
import { type Bus, type BusHandler, type Channel, CmError } from "@cm/protocol";
import { createPartHarness, describeBus } from "./store/bus/index.js";
import { describeStoreContracts } from "./store/index.js";

interface Entry {
  readonly key: string;
  readonly handler: BusHandler;
}

/**
 * The rule of the contract that a bus breaks: only rules that a test checks at once, without waiting for a
 * message.
 */
const FAULTS = ["none", "two-subscriptions", "without-code", "within-publish", "late-close"] as const;

function createBus(entries: Set<Entry>, fault: (typeof FAULTS)[number]): Bus {
  const own = new Map<string, Entry>();
  const keyOf = ({ kind, name }: Channel): string => `${kind}:${name}`;
  return {
    async publish(channel, message) {
      const heard = [...entries].filter(({ key }) => key === keyOf(channel));
      const bytes = message.slice();
      const deliver = (): void => {
        for (const entry of heard) if (fault === "late-close" || entries.has(entry)) entry.handler(bytes);
      };
      if (fault === "within-publish") deliver();
      else setImmediate(deliver);
      return {};
    },
    async subscribe(channel, handler) {
      const entry = { key: keyOf(channel), handler };
      if (own.has(entry.key) && fault !== "two-subscriptions") {
        if (fault === "without-code") throw new Error("The channel is already subscribed.");
        throw new CmError("options-invalid", "The channel is already subscribed.");
      }
      own.set(entry.key, entry);
      entries.add(entry);
      return {
        async close() {
          if (entries.delete(entry)) own.delete(entry.key);
        },
      };
    },
  };
}

for (const fault of FAULTS) {
  describeBus(fault, () => {
    const entries = new Set<Entry>();
    return createPartHarness({ open: async () => ({ bus: createBus(entries, fault) }) });
  });
}

// All suites are skipped, so no store is made. The test that is added because `history` is skipped needs a store,
// and fails.
describeStoreContracts("skipped suites", () => Promise.reject(new Error("There is no store.")), {
  skip: {
    link: "no store",
    bus: "no store",
    "server-registry": "no store",
    "server-reaping": "no store",
    "server-watch": "no store",
    "connection-registry": "no store",
    "room-directory": "no store",
    "room-paging": "no store",
    "roster-changes": "no store",
    "room-records": "no store",
    "user-directory": "no store",
    "presence-changes": "no store",
    "presence-grace": "no store",
    "presence-reading": "no store",
    "projection-reading": "no store",
    "partition-reconcile": "no store",
    history: "messages are not kept",
  },
});
