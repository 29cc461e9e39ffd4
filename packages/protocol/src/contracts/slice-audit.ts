import type { LeaseHolder } from "./server-registry.js";

/** What was found as somebody went over a slice of the rooms or users. */
export interface SliceAudit {
  /** Derived values that differed from what they are derived from, and were set right. */
  readonly repaired: number;
  /** Who has members or connections in the slice, in no particular order, each once. */
  readonly holders: readonly LeaseHolder[];
}
