import { CmError, type Result } from "../errors.js";
import { isRecord, optionalString } from "../type-guards.js";

/** The kinds of {@link PresenceChange}. */
export const PRESENCE_CHANGES = ["online", "opened", "updated", "closed", "offline"] as const;

/**
 * The kind of change to a user's presence.
 *
 * - `online`: the user came online with this connection
 * - `opened`: the user has one more connection (also if the user came back within the grace period)
 * - `updated`: a connection has new metadata
 * - `closed`: the user has one connection fewer, and is still online or in the grace period
 * - `offline`: the user went offline because this connection was removed, or, without a connection, because
 *   the grace period ended
 */
export type PresenceChangeKind = (typeof PRESENCE_CHANGES)[number];

/** One change of one user's presence, as sent over a feed. */
export interface PresenceChange {
  /** What changed. */
  readonly kind: PresenceChangeKind;
  /** The user whose presence changed. */
  readonly userId: string;
  /** The connection that changed; `undefined` only for `offline`. */
  readonly connectionId: string | undefined;
  /**
   * The version of the feed after this change. It grows with every change of the feed, and so with
   * every change of the user.
   */
  readonly version: number;
  /** The version of the feed before this change; 0 if the store knows of no earlier change. */
  readonly previousVersion: number;
  /** When the change was made, in milliseconds since the Unix epoch, by the store's clock. */
  readonly at: number;
  /** The connection's metadata, as parsed JSON; for `closed`, its last metadata. */
  readonly metadata: unknown;
  /** For `updated`: the metadata before the change. */
  readonly previousMetadata: unknown;
}

/**
 * Parses a presence change from the text of a feed. Returns `event-invalid` if the text is not a valid
 * change. On the wire:
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
  return { ok: false, error: new CmError("event-invalid", "This is not a presence change.") };
}

/** Parses JSON; returns `undefined` if the text is not valid JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether a value can be a version or a time: a safe integer that is not negative. */
export function isVersion(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
