import {
  type Lease,
  type LostRoomRecord,
  type RoomRecord,
  type RoomRecordOutcome,
  requireRoomRecordValue,
} from "@cm/protocol";
import { recordMissing } from "@cm/protocol/store";
import type { Servers } from "./servers.js";
import { Versions } from "./versions.js";

/** Time until a record without activity expires, in milliseconds: the contract's default. */
const TTL_MS = 7_200_000;

/** The records of rooms. Rooms create and drop their records, so there are never more records than rooms. */
export class Records {
  readonly #servers: Servers;
  readonly #now: () => number;
  readonly #versions: Versions;
  readonly #records = new Map<string, { readonly record: RoomRecord; readonly untilMs: number }>();

  constructor(servers: Servers, now: () => number) {
    this.#servers = servers;
    this.#now = now;
    this.#versions = new Versions(now);
  }

  get size(): number {
    return [...this.#records.values()].filter(({ untilMs }) => untilMs > this.#now()).length;
  }

  /** Creates a record. If the room has one, only marks it as active now. */
  open(room: string, value: string): void {
    const now = this.#now();
    if (this.touch(room) === undefined) this.#write({ room, value, version: 0, createdAt: now, lastActivity: now });
  }

  drop(room: string): void {
    this.#records.delete(room);
  }

  get(room: string): RoomRecord | undefined {
    const kept = this.#records.get(room);
    return kept !== undefined && kept.untilMs > this.#now() ? kept.record : undefined;
  }

  compareAndSet(room: string, version: number, value: string): RoomRecordOutcome {
    requireRoomRecordValue(value);
    const record = this.get(room);
    if (record === undefined) throw recordMissing(room);
    if (record.version !== version) return { isSet: false, record };
    return { isSet: true, record: this.#write({ ...record, value, lastActivity: this.#now() }) };
  }

  /** Marks the room's record as active now and returns it. */
  touch(room: string): RoomRecord | undefined {
    const known = this.get(room);
    if (known === undefined) return undefined;
    const now = this.#now();
    const record = { ...known, lastActivity: now };
    this.#records.set(room, { record, untilMs: now + TTL_MS });
    return record;
  }

  restore(lease: Lease, lost: readonly LostRoomRecord[], hasMembers: (room: string) => boolean): void {
    for (const { value } of lost) requireRoomRecordValue(value);
    this.#servers.owner(lease);
    for (const record of lost) {
      if (hasMembers(record.room) && this.get(record.room) === undefined) this.#write({ ...record, version: 0 });
    }
  }

  /** Writes a record under a version that was never used before. */
  #write(given: RoomRecord): RoomRecord {
    const record = { ...given, version: this.#versions.next() };
    this.#records.set(record.room, { record, untilMs: this.#now() + TTL_MS });
    return record;
  }
}
