import {
  CmError,
  type Lease,
  type LostRoomRecord,
  type RoomRecord,
  type RoomRecordOutcome,
  type RoomRecords,
  requireRoomRecordValue,
} from "@cm/protocol";
import { groupBy, inChunks } from "../client/batches.js";
import { allOf, type Commands } from "../client/commands.js";
import type { Keys } from "../keys/keys.js";
import { allWritten } from "../servers/lease-fence.js";
import { fieldsOf, RECORD_FIELDS, recordCount, recordRestore, recordSet, recordTouch } from "./record-scripts.js";

/** What the records need. */
export interface RedisRoomRecordsParts {
  readonly commands: Commands;
  readonly keys: Keys;
  readonly roomRecordTtlMs: number;
}

/** Records as hashes beside their room's members, and an index of them in each partition. */
export class RedisRoomRecords implements RoomRecords {
  readonly #parts: RedisRoomRecordsParts;

  constructor(parts: RedisRoomRecordsParts) {
    this.#parts = parts;
  }

  async get(room: string): Promise<RoomRecord | undefined> {
    const { commands, keys } = this.#parts;
    const reply = await commands.send("hmget", [keys.roomKeys(room).record, ...RECORD_FIELDS]);
    if (!Array.isArray(reply) || typeof reply[1] !== "string") return undefined;
    return { room, ...fieldsOf(reply.map(String)) };
  }

  async compareAndSet(room: string, version: number, value: string): Promise<RoomRecordOutcome> {
    requireRoomRecordValue(value);
    const { commands, keys, roomRecordTtlMs: ttlMs } = this.#parts;
    const outcome = await commands.run(recordSet, { ...keys.roomKeys(room), version, value, ttlMs });
    if (outcome === undefined) throw new CmError("not-found", `The room ${room} has no record.`);
    return { isSet: outcome.isSet, record: { room, ...outcome.fields } };
  }

  async touch(room: string): Promise<boolean> {
    const { commands, keys, roomRecordTtlMs: ttlMs } = this.#parts;
    return commands.run(recordTouch, { ...keys.roomKeys(room), ttlMs });
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

  async count(): Promise<number> {
    const { commands, keys } = this.#parts;
    const counts = await allOf(keys.recordIndexes().map((records) => commands.run(recordCount, { records })));
    return counts.reduce((sum, count) => sum + count, 0);
  }
}
