import { defineScript, toNumber, toStrings, toWritten } from "./script.js";

/** What every write of a projection carries: when the right to it runs out, by Redis's clock. */
export interface Fenced {
  readonly fenceMs: number;
}

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

/** The keys of one room, and its name. */
export interface RoomKeys {
  readonly index: string;
  readonly members: string;
  readonly room: string;
}

export const roomJoin = defineScript(
  "room-join",
  (input: Fenced & RoomKeys & { readonly ttlMs: number; readonly entries: readonly string[] }) => ({
    keys: [input.index, input.members],
    args: [input.fenceMs, input.ttlMs, input.room, ...input.entries],
  }),
  toWritten,
);

export const roomLeave = defineScript(
  "room-leave",
  (input: Fenced & RoomKeys & { readonly entries: readonly string[] }) => ({
    keys: [input.index, input.members],
    args: [input.fenceMs, input.room, ...input.entries],
  }),
  toWritten,
);

export const roomEvict = defineScript(
  "room-evict",
  (input: Fenced & RoomKeys & { readonly holder: string; readonly most: number }) => ({
    keys: [input.index, input.members],
    args: [input.fenceMs, input.room, input.holder, input.most],
  }),
  (reply) => {
    const [written, ...members] = toStrings(reply);
    return written === "1" ? members : undefined;
  },
);

export const roomCount = defineScript(
  "room-count",
  (input: { readonly members: string; readonly holders: readonly string[] }) => ({
    keys: [input.members],
    args: input.holders,
  }),
  toNumber,
);

/** Users of one partition; `user` in an entry is the number of one of them, from 1. */
export interface UserEntries {
  readonly index: string;
  readonly users: readonly { readonly userId: string; readonly key: string }[];
  readonly entries: readonly { readonly user: number; readonly connectionId: string }[];
}

export const userAdd = defineScript(
  "user-add",
  (input: Fenced & UserEntries & { readonly ttlMs: number }) => ({
    keys: [input.index, ...input.users.map(({ key }) => key)],
    args: [input.fenceMs, input.ttlMs, ...userArgs(input)],
  }),
  toWritten,
);

export const userRemove = defineScript(
  "user-remove",
  (input: Fenced & UserEntries) => ({
    keys: [input.index, ...input.users.map(({ key }) => key)],
    args: [input.fenceMs, ...userArgs(input)],
  }),
  toWritten,
);

export const indexRenew = defineScript(
  "index-renew",
  (
    input: Fenced & {
      readonly index: string;
      readonly ttlMs: number;
      readonly listed: readonly { readonly name: string; readonly key: string }[];
    },
  ) => ({
    keys: [input.index, ...input.listed.map(({ key }) => key)],
    args: [input.fenceMs, input.ttlMs, ...input.listed.map(({ name }) => name)],
  }),
  toWritten,
);

function userArgs({ users, entries }: UserEntries): (string | number)[] {
  const connections = entries.flatMap(({ user, connectionId }): (string | number)[] => [user, connectionId]);
  return [...users.map(({ userId }) => userId), ...connections];
}
