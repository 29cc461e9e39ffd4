import type { DepartureReason } from "../contracts/room-directory.js";
import { CmError, type Result } from "../errors.js";
import { isRecord } from "../type-guards.js";
import { isVersion, parseJson } from "./presence-change.js";

/** The kinds of {@link RosterChange}. */
export const ROSTER_CHANGES = ["joined", "updated", "left"] as const;

/** The kind of change to a room's roster: the member joined, has new metadata, or left. */
export type RosterChangeKind = (typeof ROSTER_CHANGES)[number];

/** One change of a room's roster, as sent over the room's roster channel. */
export interface RosterChange {
  /** What changed. */
  readonly kind: RosterChangeKind;
  /** The user that the connection belongs to. */
  readonly userId: string;
  /** The connection that joined, was updated or left. */
  readonly connectionId: string;
  /** The version of the roster after this change. It grows with every change of the room. */
  readonly version: number;
  /** The version of the roster before this change. */
  readonly previousVersion: number;
  /** When the change was made, in milliseconds since the Unix epoch, by the store's clock. */
  readonly at: number;
  /** The connection's metadata, as parsed JSON; absent for `left`. */
  readonly metadata: unknown;
  /**
   * For `left`: the reason. `lost` also stands for a reason that this version does not know, from a server of
   * a later version.
   */
  readonly reason: DepartureReason | undefined;
}

const REASONS = ["left", "closed", "lost"] as const satisfies readonly DepartureReason[];

/**
 * Parses a roster change from the text of a roster channel. Returns `event-invalid` if the text is not
 * a valid change. On the wire:
 * `{"kind","user","connection","version","previous","at","metadata"?,"reason"?}`.
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
  return { ok: false, error: new CmError("event-invalid", "This is not a roster change.") };
}
