import {
  type Lease,
  type LostRoomRecord,
  type RoomRecord,
  type RoomRecordOutcome,
  requireRoomRecordValue,
} from "@cm/protocol";
import { recordMissing } from "@cm/protocol/store";
import { nextVersion } from "../change-versions.js";
import type { ServerTable } from "../servers/server-table.js";

interface StoredRecord {
  readonly record: RoomRecord;
  readonly expiresAtMs: number;
}

/**
 * The records of rooms. The room table creates and drops them, so there are never more records than rooms,
 * and an expired record needs no clean-up: it is dropped with its room.
 */
export class RecordTable {
  readonly #servers: ServerTable;
  readonly #now: () => number;
  readonly #records = new Map<string, StoredRecord>();
  /** The highest version given to any record, so that a record that is created again never reuses a version. */
  #lastVersion = 0;

  constructor(servers: ServerTable, now: () => number) {
    this.#servers = servers;
    this.#now = now;
  }

  /** Number of rooms that have a record. */
  get size(): number {
    const now = this.#now();
    let living = 0;
    for (const { expiresAtMs } of this.#records.values()) if (expiresAtMs > now) living++;
    return living;
  }

  /** Creates a record. If there is one already, the call counts as its activity. */
  open(room: string, value: string, ttlMs: number): void {
    if (this.touch(room, ttlMs) !== undefined) return;
    const now = Math.floor(this.#now());
    this.#write({ room, value, version: this.#nextVersion(), createdAt: now, lastActivity: now }, ttlMs);
  }

  drop(room: string): void {
    this.#records.delete(room);
  }

  get(room: string): RoomRecord | undefined {
    const stored = this.#records.get(room);
    return stored !== undefined && stored.expiresAtMs > this.#now() ? stored.record : undefined;
  }

  compareAndSet(room: string, version: number, value: string, ttlMs: number): RoomRecordOutcome {
    requireRoomRecordValue(value);
    const record = this.get(room);
    if (record === undefined) throw recordMissing(room);
    if (record.version !== version) return { isSet: false, record };
    const lastActivity = Math.floor(this.#now());
    return {
      isSet: true,
      record: this.#write({ ...record, value, version: this.#nextVersion(), lastActivity }, ttlMs),
    };
  }

  /** Same as `get`, but counts as activity. */
  touch(room: string, ttlMs: number): RoomRecord | undefined {
    const record = this.get(room);
    return record && this.#write({ ...record, lastActivity: Math.floor(this.#now()) }, ttlMs);
  }

  /** Writes the records that are missing, if their rooms have members. */
  restore(lease: Lease, lost: readonly LostRoomRecord[], ttlMs: number, hasMembers: (room: string) => boolean): void {
    for (const { value } of lost) requireRoomRecordValue(value);
    this.#servers.holder(lease);
    for (const { room, value, createdAt, lastActivity } of lost) {
      if (this.get(room) !== undefined || !hasMembers(room)) continue;
      this.#write({ room, value, version: this.#nextVersion(), createdAt, lastActivity }, ttlMs);
    }
  }

  #nextVersion(): number {
    this.#lastVersion = nextVersion(this.#lastVersion, this.#now());
    return this.#lastVersion;
  }

  #write(record: RoomRecord, ttlMs: number): RoomRecord {
    this.#records.set(record.room, { record: Object.freeze(record), expiresAtMs: this.#now() + ttlMs });
    return record;
  }
}
