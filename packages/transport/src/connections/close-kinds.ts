import type { CloseReason } from "@cm/protocol";

/** How a connection ended, as `stats().closed` counts it. */
export type CloseKind = CloseReason | "idle-timeout" | `${number}` | "4xxx" | "other";

/** The kind of a close that the client began, or that neither side did (1006). A client's own codes share a kind. */
export function closeKindOf(code: number): CloseKind {
  if (code >= 1000 && code <= 1015) return `${code}`;
  if (code >= 4000 && code <= 4999) return "4xxx";
  return "other";
}
