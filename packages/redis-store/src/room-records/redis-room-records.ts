import {
  type Lease,
  type LostRoomRecord,
  type RecordReadOptions,
  type RoomRecord,
  type RoomRecordOutcome,
  type RoomRecords,
  requireRoomRecordValue,
} from "@cm/protocol";
import { recordMissing } from "@cm/protocol/store";
import { groupBy, inChunks } from "../commands/argument-batches.js";
import type { Commands } from "../commands/redis-commands.js";
import type { Keys } from "../keys/key-names.js";
import { allWritten } from "../servers/lease-holders.js";
import { fieldsOf, RECORD_FIELDS, recordReadAndTouch, recordRestore, recordSet } from "./room-record-scripts.js";

/** Dependencies and settings of the records. */
export interface RedisRoomRecordsParts {
  readonly commands: Commands;
  readonly keys: Keys;
  readonly roomRecordTtlMs: number;
}

/** Stores a room's record as a hash, and an index of the records in each partition. */
export class RedisRoomRecords implements RoomRecords {
  readonly #parts: RedisRoomRecordsParts;

  constructor(parts: RedisRoomRecordsParts) {
    this.#parts = parts;
  }

  async get(room: string, { touch = false }: RecordReadOptions = {}): Promise<RoomRecord | undefined> {
    const { commands, keys, roomRecordTtlMs: ttlMs } = this.#parts;
    const roomKeys = keys.roomKeys(room);
    if (touch) {
      const fields = await commands.run(recordReadAndTouch, { ...roomKeys, ttlMs });
      return fields && { room, ...fields };
    }
    const reply = await commands.send("hmget", [roomKeys.record, ...RECORD_FIELDS]);
    if (!Array.isArray(reply) || typeof reply[1] !== "string") return undefined;
    return { room, ...fieldsOf(reply.map(String)) };
  }

  async compareAndSet(room: string, version: number, value: string): Promise<RoomRecordOutcome> {
    requireRoomRecordValue(value);
    const { commands, keys, roomRecordTtlMs: ttlMs } = this.#parts;
    const outcome = await commands.run(recordSet, { ...keys.roomKeys(room), version, value, ttlMs });
    if (outcome === undefined) throw recordMissing(room);
    return { isSet: outcome.isSet, record: { room, ...outcome.fields } };
  }

  async restore(lease: Lease, records: readonly LostRoomRecord[]): Promise<void> {
    for (const { value } of records) requireRoomRecordValue(value);
    const { commands, keys, roomRecordTtlMs: ttlMs } = this.#parts;
    const lost = records.map((record) => ({ ...record, ...keys.roomKeys(record.room) }));
    const calls = [...groupBy(lost, (each) => each.records)].flatMap(([index, group]) =>
      inChunks(group).map((chunk) =>
        commands.run(recordRestore, { fenceMs: lease.expiresAtMs, records: index, ttlMs, lost: chunk }),
      ),
    );
    await allWritten(calls, lease);
  }
}
