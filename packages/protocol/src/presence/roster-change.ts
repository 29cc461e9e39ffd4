import type { DepartureReason } from "../contracts/room-directory.js";
import { CmError, type Result } from "../errors.js";
import { isRecord } from "../shape.js";
import { isVersion, parseJson } from "./presence-change.js";

/** The kinds of {@link RosterChange}. */
export const ROSTER_CHANGES = ["joined", "updated", "left"] as const;

/** What happened to a member: came in, has new metadata, went out. */
export type RosterChangeKind = (typeof ROSTER_CHANGES)[number];

/** One change of a room's roster, as it goes over the room's roster channel. */
export interface RosterChange {
  /** What changed. */
  readonly kind: RosterChangeKind;
  /** Whose connection it is. */
  readonly userId: string;
  /** The connection that came, changed or went. */
  readonly connectionId: string;
  /** Grows with every change of the room. */
  readonly version: number;
  /** Version of the room's change before this one. */
  readonly previousVersion: number;
  /** Milliseconds since the Unix epoch, of the store's clock. */
  readonly at: number;
  /** What the connection says about itself, as parsed JSON; absent for `left`. */
  readonly metadata: unknown;
  /** For `left`: why. `lost` where a later server's reason is not known here. */
  readonly reason: DepartureReason | undefined;
}

const REASONS = ["left", "closed", "lost"] as const satisfies readonly DepartureReason[];

/**
 * Reads a change from the text of a roster channel; `event-invalid` where it is none. On
 * the wire: `{"kind","user","connection","version","previous","at","metadata"?,"reason"?}`.
 */
export function parseRosterChange(text: string): Result<RosterChange> {
  const value = parseJson(text);
  const kind = isRecord(value) ? ROSTER_CHANGES.find((each) => each === value.kind) : undefined;
  if (
    isRecord(value) &&
    kind !== undefined &&
    typeof value.user === "string" &&
    typeof value.connection === "string" &&
    isVersion(value.version) &&
    isVersion(value.previous) &&
    isVersion(value.at)
  ) {
    return {
      ok: true,
      value: {
        kind,
        userId: value.user,
        connectionId: value.connection,
        version: value.version,
        previousVersion: value.previous,
        at: value.at,
        metadata: value.metadata,
        reason: kind === "left" ? (REASONS.find((each) => each === value.reason) ?? "lost") : undefined,
      },
    };
  }
  return { ok: false, error: new CmError("event-invalid", "This is not a change of a roster.") };
}
