/** What the life of keys depends on, in milliseconds: options of the store and arguments of the calls. */
export interface KeyTimes {
  readonly connectionTtlMs: number;
  readonly lastSeenTtlMs: number;
  readonly roomRecordTtlMs: number;
  readonly historyTtlMs: number;
  /** Of the servers' leases. */
  readonly leaseTtlMs: number;
  /** Of the claims on servers that are cleaned up after. */
  readonly claimMs: number;
  /** How long users stay online after their last connection. */
  readonly graceMs: number;
  /** How long rooms are to announce their changes. */
  readonly announceMs: number;
}

const DAY_MS = 86_400_000;

/** Signs of life are worth nothing once they are this old. */
export const SIGNS_TTL_MS = 3_600_000;

/** Records outlive their lease by far: a dead server's says how to clean up after it. */
export function serverTtlMs({ connectionTtlMs, leaseTtlMs }: Pick<KeyTimes, "connectionTtlMs" | "leaseTtlMs">): number {
  return Math.ceil(Math.max(connectionTtlMs, 10 * leaseTtlMs));
}

/** A place is remembered without its messages for a day, as versions of feeds are by default. */
export function placeTtlMs({ historyTtlMs }: Pick<KeyTimes, "historyTtlMs">): number {
  return Math.max(DAY_MS, historyTtlMs);
}

/** A version outlives all that was announced under it. */
export function versionTtlMs({ lastSeenTtlMs, connectionTtlMs }: Pick<KeyTimes, "lastSeenTtlMs" | "connectionTtlMs">) {
  return Math.max(lastSeenTtlMs, connectionTtlMs);
}
