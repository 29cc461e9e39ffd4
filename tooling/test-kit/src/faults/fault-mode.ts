/** A direction through a {@link FaultProxy}: from the client to the server, or back. */
export type Direction = "to-server" | "to-client";

/**
 * The fault that a proxy applies to its connections.
 *
 * - `pass`: everything is forwarded at once.
 * - `cut`: every connection is reset, and new ones are refused.
 * - `hang`: connections stay open and new ones are accepted, but nothing is forwarded in the direction given by
 *   `drop` (default: both), not even the end of a connection. The proxy no longer reads from the sender in that
 *   direction, so the sender's bytes stay queued and are forwarded in order when the mode changes again.
 * - `delay`: each chunk is delayed by `toServerMs` or `toClientMs`, depending on its direction (default: 0).
 */
export type FaultMode =
  | { readonly kind: "pass" }
  | { readonly kind: "cut" }
  | { readonly kind: "hang"; readonly drop?: Direction | "both" }
  | { readonly kind: "delay"; readonly toServerMs?: number; readonly toClientMs?: number };

/** The effect of a mode on one direction of a connection. */
export interface Flow {
  readonly held: boolean;
  readonly delayMs: number;
}

/** The flow of one direction in a mode. */
export function flowOf(mode: FaultMode, direction: Direction): Flow {
  if (mode.kind === "hang") {
    const { drop = "both" } = mode;
    return { held: drop === "both" || drop === direction, delayMs: 0 };
  }
  if (mode.kind !== "delay") return { held: false, delayMs: 0 };
  const { toServerMs = 0, toClientMs = 0 } = mode;
  return { held: false, delayMs: direction === "to-server" ? toServerMs : toClientMs };
}
