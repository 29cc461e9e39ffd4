import type { Lease } from "./server-registry.js";

/** What is kept about a room beside its members. */
export interface RoomRecord {
  /** The room's name. */
  readonly room: string;
  /** The application's own JSON text; the store does not read it. See `ROOM_RECORD_MAX_BYTES`. */
  readonly value: string;
  /**
   * Grows with every value that is set, and is never used again: also not by a record that
   * is created again or restored later.
   */
  readonly version: number;
  /** Milliseconds since the Unix epoch, of the store's clock. */
  readonly createdAt: number;
  /** Milliseconds since the Unix epoch, of the store's clock. */
  readonly lastActivity: number;
}

/** A record as it is written where the store lost it; it gets a new version. */
export type LostRoomRecord = Omit<RoomRecord, "version">;

/** How a record is read. */
export interface RecordReadOptions {
  /** Whether the reading counts as activity, which renews the time to live. Default `false`. */
  readonly touch?: boolean;
}

/** How a `compareAndSet` ended, with the record as it is now. */
export interface RoomRecordOutcome {
  /** Whether the value was set. If not, the record has another version than was expected. */
  readonly isSet: boolean;
  readonly record: RoomRecord;
}

/**
 * One record a room, for what an application keeps about it. A record is created by the
 * join that asks for one (see `JoinOptions`) and goes with the last member of its room,
 * no matter which server removes it; it also runs out by itself after its time to live (2 h by
 * default) without activity. Promises: every call is one round trip; times are the store's
 * own.
 */
export interface RoomRecords {
  /** `undefined` where there is no record. */
  get(room: string, options?: RecordReadOptions): Promise<RoomRecord | undefined>;
  /**
   * Sets the value where the record still has the version, and counts as activity then. Of
   * two that compete, one sets it; the other one is given the record that it lost against,
   * to try again without another round trip. Fails with `not-found` where there is no
   * record, and with `payload-too-large`.
   */
  compareAndSet(room: string, version: number, value: string): Promise<RoomRecordOutcome>;
  /**
   * Writes records that the store has lost, where it has none and their rooms have
   * members. Refused with `lease-lost` once the lease's time has run out, and with
   * `payload-too-large`.
   */
  restore(lease: Lease, records: readonly LostRoomRecord[]): Promise<void>;
}
