import type { CloseReason } from "@cm/protocol";

/** How a connection was closed, as counted in `stats().closed`. */
export type CloseKind = CloseReason | "idle-timeout" | `${number}` | "4xxx" | "other";

/**
 * The kind of a close that the client initiated, or that came without a close frame (1006). All codes that a
 * client chose itself share one kind.
 */
export function closeKindOf(code: number): CloseKind {
  if (code >= 1000 && code <= 1015) return `${code}`;
  if (code >= 4000 && code <= 4999) return "4xxx";
  return "other";
}
