import type { LostRoomRecord, RoomRecord } from "@cm/protocol";
import { defineScript, type Fenced, toStrings, toWritten } from "../scripts/script-definition.js";

/** The keys of one room's record, and the room's name. */
export interface RecordKeys {
  readonly record: string;
  readonly records: string;
  readonly room: string;
}

/** The fields of a record's hash, in the order in which `fieldsOf` reads them. */
export const RECORD_FIELDS = ["value", "version", "createdAt", "lastActivity"] as const;

/** A record without its room, from the values of {@link RECORD_FIELDS}. */
export function fieldsOf([value = "", ...numbers]: readonly string[]): Omit<RoomRecord, "room"> {
  const [version, createdAt, lastActivity] = numbers.map(Number);
  return {
    value,
    version: version ?? Number.NaN,
    createdAt: createdAt ?? Number.NaN,
    lastActivity: lastActivity ?? Number.NaN,
  };
}

/** Returns whether the value was set, with the record's fields; `undefined` if there is no record. */
export const recordSet = defineScript(
  "record-set",
  (input: RecordKeys & { readonly version: number; readonly value: string; readonly ttlMs: number }) => ({
    keys: [input.record, input.records],
    args: [input.room, input.version, input.value, input.ttlMs],
  }),
  (reply) => {
    const [isSet, ...fields] = toStrings(reply);
    return isSet === undefined ? undefined : { isSet: isSet === "1", fields: fieldsOf(fields) };
  },
);

/** Reads a record, which counts as activity. Returns `undefined` if there is no record. */
export const recordReadAndTouch = defineScript(
  "record-read-and-touch",
  (input: RecordKeys & { readonly ttlMs: number }) => ({
    keys: [input.record, input.records],
    args: [input.room, input.ttlMs],
  }),
  (reply) => {
    const fields = toStrings(reply);
    return fields.length === 0 ? undefined : fieldsOf(fields);
  },
);

/** Restores the records of rooms of one partition. */
export const recordRestore = defineScript(
  "record-restore",
  (
    input: Fenced & {
      readonly records: string;
      readonly ttlMs: number;
      readonly lost: readonly (LostRoomRecord & { readonly record: string; readonly members: string })[];
    },
  ) => ({
    keys: [input.records, ...input.lost.flatMap(({ record, members }) => [record, members])],
    args: [
      input.fenceMs,
      input.ttlMs,
      ...input.lost.flatMap(({ room, value, createdAt, lastActivity }) => [room, value, createdAt, lastActivity]),
    ],
  }),
  toWritten,
);
