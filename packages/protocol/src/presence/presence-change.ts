import { CmError, type Result } from "../errors.js";
import { isRecord, optionalString } from "../shape.js";

/** The kinds of {@link PresenceChange}. */
export const PRESENCE_CHANGES = ["online", "opened", "updated", "closed", "offline"] as const;

/**
 * What changed about a user.
 *
 * - `online`: came online with this connection
 * - `opened`: has one connection more (also one that came back within the grace period)
 * - `updated`: a connection has new metadata
 * - `closed`: has one connection less, and is still online or about to leave
 * - `offline`: went offline, with this connection or, where the grace period ended, without
 */
export type PresenceChangeKind = (typeof PRESENCE_CHANGES)[number];

/** One change of one user's presence, as it goes over a feed. */
export interface PresenceChange {
  /** What changed. */
  readonly kind: PresenceChangeKind;
  /** Whose presence changed. */
  readonly userId: string;
  /** Which connection; `undefined` only for `offline`. */
  readonly connectionId: string | undefined;
  /** Grows with every change of the feed, and so of the user. */
  readonly version: number;
  /** Version of the feed's change before this one; 0 where the store knows of none. */
  readonly previousVersion: number;
  /** Milliseconds since the Unix epoch, of the store's clock. */
  readonly at: number;
  /** What the connection says about itself, as parsed JSON; for `closed`, what it last said. */
  readonly metadata: unknown;
  /** For `updated`: what it said before. */
  readonly previousMetadata: unknown;
}

/**
 * Reads a change from the text of a feed; `event-invalid` where it is none. On the wire:
 * `{"kind","user","connection"?,"version","previous","at","metadata"?,"replaced"?}`.
 */
export function parsePresenceChange(text: string): Result<PresenceChange> {
  const value = parseJson(text);
  const kind = isRecord(value) ? PRESENCE_CHANGES.find((each) => each === value.kind) : undefined;
  if (
    isRecord(value) &&
    kind !== undefined &&
    typeof value.user === "string" &&
    optionalString(value.connection) &&
    (value.connection !== undefined || kind === "offline") &&
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
        previousMetadata: value.replaced,
      },
    };
  }
  return { ok: false, error: new CmError("event-invalid", "This is not a change of presence.") };
}

/** The text of a JSON value; `undefined` where it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether a value is a whole number that a version or a time can be. */
export function isVersion(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
