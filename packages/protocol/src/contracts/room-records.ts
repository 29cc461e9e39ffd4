import type { Lease } from "./leases-and-claims.js";

/** The data that is stored about a room in addition to its members. */
export interface RoomRecord {
  /** The room's name. */
  readonly room: string;
  /** The application's own JSON text; the store does not parse it. See `ROOM_RECORD_MAX_BYTES`. */
  readonly value: string;
  /**
   * The version of the value. It grows with every value that is set. A version is never used again, not even
   * if the record is created again or restored later.
   */
  readonly version: number;
  /** When the record was created, in milliseconds since the Unix epoch, by the store's clock. */
  readonly createdAt: number;
  /** When the record was last active, in milliseconds since the Unix epoch, by the store's clock. */
  readonly lastActivity: number;
}

/** A record that is written again because the store has lost it. It gets a new version. */
export type LostRoomRecord = Omit<RoomRecord, "version">;

/** Options of `RoomRecords.get`. */
export interface RecordReadOptions {
  /** Whether the read counts as activity, which renews the time to live. Default `false`. */
  readonly touch?: boolean;
}

/** The result of a `compareAndSet`, with the current record. */
export interface RoomRecordOutcome {
  /** Whether the value was set. If not, the record's version differs from the expected one. */
  readonly isSet: boolean;
  /** The current record. */
  readonly record: RoomRecord;
}

/**
 * One record per room, for the application's data about the room. A record is created by the join that
 * requests it (see `JoinOptions`). It is deleted with the last member of its room, no matter which server
 * removes that member, and expires after its time to live (2 h by default) without activity. Guarantees:
 * every call is one round trip; times are those of the store's clock.
 */
export interface RoomRecords {
  /** Reads a record. Resolves with `undefined` if there is none. */
  get(room: string, options?: RecordReadOptions): Promise<RoomRecord | undefined>;
  /**
   * Sets the value if the record still has the given version; this counts as activity. If two calls compete,
   * one sets its value, and the other gets the record with the winning value, so that it can retry without
   * reading the record again. Rejects with `not-found` if there is no record, and with `payload-too-large` if
   * the value is too long.
   */
  compareAndSet(room: string, version: number, value: string): Promise<RoomRecordOutcome>;
  /**
   * Writes records that the store has lost, for rooms that have members and no record. Rejected with
   * `lease-lost` once the lease has expired, and with `payload-too-large` if a value is too long.
   */
  restore(lease: Lease, records: readonly LostRoomRecord[]): Promise<void>;
}
