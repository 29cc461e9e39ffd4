import { defineScript, type Fenced, toList, toStrings, toWritten } from "../scripts/script-definition.js";

/** The two keys of a shelf. */
export interface ShelfKeys {
  readonly records: string;
  readonly places: string;
}

/** A record of one server. `shelf` is the index of its shelf in the list of shelves, from 1. */
export interface ShelfEntry {
  readonly shelf: number;
  readonly field: string;
}

export const connectionPut = defineScript(
  "connection-put",
  (
    input: Fenced & {
      readonly shelves: readonly ShelfKeys[];
      readonly ttlMs: number;
      readonly keepsRooms: boolean;
      readonly entries: readonly (ShelfEntry & { readonly value: string; readonly rooms: readonly string[] })[];
    },
  ) => ({
    keys: keysOf(input.shelves),
    args: [
      input.fenceMs,
      input.ttlMs,
      input.keepsRooms ? 1 : 0,
      ...input.entries.flatMap(({ shelf, field, value, rooms }): (string | number)[] => [
        shelf,
        field,
        value,
        rooms.length,
        ...rooms,
      ]),
    ],
  }),
  toWritten,
);

/** Removes only the given rooms of the records, if any are given; otherwise the records themselves. */
export const connectionRemove = defineScript(
  "connection-remove",
  (
    input: Fenced & {
      readonly shelves: readonly ShelfKeys[];
      readonly rooms: readonly string[];
      readonly entries: readonly ShelfEntry[];
    },
  ) => ({
    keys: keysOf(input.shelves),
    args: [
      input.fenceMs,
      input.rooms.length,
      ...input.rooms,
      ...input.entries.flatMap(({ shelf, field }): (string | number)[] => [shelf, field]),
    ],
  }),
  toWritten,
);

export const connectionRenew = defineScript(
  "connection-renew",
  (input: Fenced & { readonly shelves: readonly ShelfKeys[]; readonly ttlMs: number }) => ({
    keys: keysOf(input.shelves),
    args: [input.fenceMs, input.ttlMs],
  }),
  toWritten,
);

export const connectionClear = defineScript(
  "connection-clear",
  (input: Fenced & { readonly shelf: ShelfKeys }) => ({ keys: keysOf([input.shelf]), args: [input.fenceMs] }),
  toWritten,
);

/** The value of a record and its room entries; empty if there is no record. */
export const connectionGet = defineScript(
  "connection-get",
  (input: { readonly shelf: ShelfKeys; readonly field: string }) => ({
    keys: keysOf([input.shelf]),
    args: [input.field],
  }),
  toStrings,
);

/** The fields and values of a shelf in turn, and its room entries. */
export const connectionShelf = defineScript(
  "connection-shelf",
  (input: { readonly shelf: ShelfKeys }) => ({ keys: keysOf([input.shelf]), args: [] }),
  (reply) => {
    const [records, places] = toList(reply);
    return { records: toStrings(records), places: toStrings(places) };
  },
);

function keysOf(shelves: readonly ShelfKeys[]): string[] {
  return shelves.flatMap(({ records, places }) => [records, places]);
}
