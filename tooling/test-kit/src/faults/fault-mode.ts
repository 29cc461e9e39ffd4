/** A way through a {@link FaultProxy}: from the client to the server, or back. */
export type Direction = "to-server" | "to-client";

/**
 * What a proxy does with its connections.
 *
 * - `pass`: everything goes through at once.
 * - `cut`: every connection is reset, and new ones are refused.
 * - `hang`: connections stay open and new ones are accepted, but nothing gets through in
 *   the direction that is dropped (default: both), not even the end of a connection. Both
 *   sides are no longer read, so that they hold on to what they have to say; it goes
 *   through later, in order, where the mode changes again.
 * - `delay`: each chunk is held back for `toServerMs` or `toClientMs`, by its direction (default: 0).
 */
export type FaultMode =
  | { readonly kind: "pass" }
  | { readonly kind: "cut" }
  | { readonly kind: "hang"; readonly drop?: Direction | "both" }
  | { readonly kind: "delay"; readonly toServerMs?: number; readonly toClientMs?: number };

/** What a mode means for one direction of a connection. */
export interface Flow {
  readonly held: boolean;
  readonly delayMs: number;
}

/** What a mode asks for in one direction. */
export function flowOf(mode: FaultMode, direction: Direction): Flow {
  if (mode.kind === "hang") {
    const { drop = "both" } = mode;
    return { held: drop === "both" || drop === direction, delayMs: 0 };
  }
  if (mode.kind !== "delay") return { held: false, delayMs: 0 };
  const { toServerMs = 0, toClientMs = 0 } = mode;
  return { held: false, delayMs: direction === "to-server" ? toServerMs : toClientMs };
}
