import type { CloseReason } from "@cm/protocol";

/** How a connection was closed, as counted in `stats().closed`. */
export type CloseKind = CloseReason | "idle-timeout" | `${number}` | "4xxx" | "other";

/**
 * Returns the kind of a close that the client initiated, or that came without a close frame (1006). The codes
 * 4000 to 4999, which clients choose freely, share one kind, and so do all codes that are neither these nor
 * 1000 to 1015.
 */
export function closeKindOf(code: number): CloseKind {
  if (code >= 1000 && code <= 1015) return `${code}`;
  if (code >= 4000 && code <= 4999) return "4xxx";
  return "other";
}
