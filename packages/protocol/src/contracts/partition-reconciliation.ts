import type { ServerIncarnation } from "./server-registry.js";

/** What a reconciliation of a partition of the rooms or users found. */
export interface PartitionReconciliation {
  /** Derived values that differed from what they are derived from, and were set right. */
  readonly repaired: number;
  /** The servers that have members or connections in the partition, in no particular order, each once. */
  readonly holders: readonly ServerIncarnation[];
}
