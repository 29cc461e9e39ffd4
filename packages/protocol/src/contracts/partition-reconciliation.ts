import type { ServerIncarnation } from "./server-registry.js";

/** What was found as somebody went over a partition of the rooms or users. */
export interface PartitionReconciliation {
  /** Derived values that differed from what they are derived from, and were set right. */
  readonly repaired: number;
  /** Who has members or connections in the partition, in no particular order, each once. */
  readonly holders: readonly ServerIncarnation[];
}
