import { defineScript, type Fenced, toStrings, toWritten } from "../scripts/script.js";

/** Records of one server; `shelf` is the number of a key, from 1. */
export interface ShelfEntry {
  readonly shelf: number;
  readonly field: string;
}

export const connectionPut = defineScript(
  "connection-put",
  (
    input: Fenced & {
      readonly shelves: readonly string[];
      readonly ttlMs: number;
      readonly entries: readonly (ShelfEntry & { readonly value: string })[];
    },
  ) => ({
    keys: input.shelves,
    args: [
      input.fenceMs,
      input.ttlMs,
      ...input.entries.flatMap(({ shelf, field, value }): (string | number)[] => [shelf, field, value]),
    ],
  }),
  toWritten,
);

export const connectionRemove = defineScript(
  "connection-remove",
  (input: Fenced & { readonly shelves: readonly string[]; readonly entries: readonly ShelfEntry[] }) => ({
    keys: input.shelves,
    args: [input.fenceMs, ...input.entries.flatMap(({ shelf, field }): (string | number)[] => [shelf, field])],
  }),
  toWritten,
);

export const connectionRenew = defineScript(
  "connection-renew",
  (input: Fenced & { readonly shelves: readonly string[]; readonly ttlMs: number }) => ({
    keys: input.shelves,
    args: [input.fenceMs, input.ttlMs],
  }),
  toWritten,
);

export const connectionClear = defineScript(
  "connection-clear",
  (input: Fenced & { readonly shelf: string }) => ({ keys: [input.shelf], args: [input.fenceMs] }),
  toWritten,
);

/** Fields and values of a shelf, one after the other. */
export const connectionShelf = defineScript(
  "connection-shelf",
  (input: { readonly shelf: string }) => ({ keys: [input.shelf], args: [] }),
  toStrings,
);
