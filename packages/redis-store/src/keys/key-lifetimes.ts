/**
 * The times that determine how long keys live, in milliseconds: options of the store and arguments of its
 * calls.
 */
export interface KeyTimes {
  readonly connectionTtlMs: number;
  readonly lastSeenTtlMs: number;
  readonly roomRecordTtlMs: number;
  readonly historyTtlMs: number;
  /** Duration of the servers' leases. */
  readonly leaseTtlMs: number;
  /** Duration of the claims on servers that are being cleaned up. */
  readonly claimMs: number;
  /** How long users stay online after their last connection has closed. */
  readonly graceMs: number;
  /** How long rooms announce their changes. */
  readonly announceMs: number;
}

const DAY_MS = 86_400_000;

/** How long signs of life are kept, in milliseconds: older ones are of no use. */
export const SIGNS_TTL_MS = 3_600_000;

/**
 * Time to live of a server's record, in milliseconds. The record lives much longer than the lease, because
 * the record of a dead server is needed to clean up after that server.
 */
export function serverTtlMs({ connectionTtlMs, leaseTtlMs }: Pick<KeyTimes, "connectionTtlMs" | "leaseTtlMs">): number {
  return Math.ceil(Math.max(connectionTtlMs, 10 * leaseTtlMs));
}

/**
 * Time to live of a room's position, in milliseconds: a day after its last use, and at least as long as
 * messages are kept.
 */
export function positionTtlMs({ historyTtlMs }: Pick<KeyTimes, "historyTtlMs">): number {
  return Math.max(DAY_MS, historyTtlMs);
}

/**
 * Time to live of a feed's version, in milliseconds. The version must outlive all data that was announced
 * under it.
 */
export function versionTtlMs({ lastSeenTtlMs, connectionTtlMs }: Pick<KeyTimes, "lastSeenTtlMs" | "connectionTtlMs">) {
  return Math.max(lastSeenTtlMs, connectionTtlMs);
}
