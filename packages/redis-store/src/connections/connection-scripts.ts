import { defineScript, type Fenced, toList, toStrings, toWritten } from "../scripts/script-definition.js";
import { joinedRoomHead } from "./connection-record-codec.js";

/** The two keys of a record partition. */
export interface RecordPartitionKeys {
  readonly records: string;
  readonly joined: string;
}

/**
 * A record to write or remove. `recordPartition` is the position, from 1, of the record's partition in the list of
 * record partitions that the script gets.
 */
export interface RecordPartitionEntry {
  readonly recordPartition: number;
  readonly field: string;
}

export const connectionPut = defineScript(
  "connection-put",
  (
    input: Fenced & {
      readonly recordPartitions: readonly RecordPartitionKeys[];
      readonly ttlMs: number;
      readonly keepsRooms: boolean;
      readonly entries: readonly (RecordPartitionEntry & {
        readonly value: string;
        readonly rooms: readonly string[];
      })[];
    },
  ) => {
    const args: (string | number)[] = [input.fenceMs, input.ttlMs, input.keepsRooms ? 1 : 0];
    for (const { recordPartition, field, value, rooms } of input.entries) {
      args.push(recordPartition, field, value, rooms.length);
      for (const room of rooms) args.push(joinedRoomHead(field, room));
    }
    return { keys: keysOf(input.recordPartitions), args };
  },
  toWritten,
);

/** Removes only the given rooms of the records, if any are given; otherwise the records themselves. */
export const connectionRemove = defineScript(
  "connection-remove",
  (
    input: Fenced & {
      readonly recordPartitions: readonly RecordPartitionKeys[];
      readonly rooms: readonly string[];
      readonly entries: readonly RecordPartitionEntry[];
    },
  ) => ({
    keys: keysOf(input.recordPartitions),
    args: [
      input.fenceMs,
      input.rooms.length === 0 ? 0 : 1,
      ...input.entries.flatMap(({ recordPartition, field }): (string | number)[] =>
        input.rooms.length === 0
          ? [recordPartition, field]
          : input.rooms.flatMap((room) => [recordPartition, joinedRoomHead(field, room)]),
      ),
    ],
  }),
  toWritten,
);

export const connectionRenew = defineScript(
  "connection-renew",
  (input: Fenced & { readonly recordPartitions: readonly RecordPartitionKeys[]; readonly ttlMs: number }) => ({
    keys: keysOf(input.recordPartitions),
    args: [input.fenceMs, input.ttlMs],
  }),
  toWritten,
);

export const connectionClear = defineScript(
  "connection-clear",
  (input: Fenced & { readonly recordPartition: RecordPartitionKeys }) => ({
    keys: keysOf([input.recordPartition]),
    args: [input.fenceMs],
  }),
  toWritten,
);

/** The value of a record and its room entries; empty if there is no record. */
export const connectionGet = defineScript(
  "connection-get",
  (input: { readonly recordPartition: RecordPartitionKeys; readonly field: string }) => ({
    keys: keysOf([input.recordPartition]),
    args: [input.field],
  }),
  toStrings,
);

/** The fields and values of a record partition, alternating, and its room entries. */
export const connectionPartition = defineScript(
  "connection-partition",
  (input: { readonly recordPartition: RecordPartitionKeys }) => ({ keys: keysOf([input.recordPartition]), args: [] }),
  (reply) => {
    const [records, joined] = toList(reply);
    return { records: toStrings(records), joined: toStrings(joined) };
  },
);

function keysOf(recordPartitions: readonly RecordPartitionKeys[]): string[] {
  return recordPartitions.flatMap(({ records, joined }) => [records, joined]);
}
