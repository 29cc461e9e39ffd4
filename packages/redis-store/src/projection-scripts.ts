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

export const roomRenew = defineScript(
  "room-renew",
  (
    input: Fenced & {
      readonly index: string;
      readonly ttlMs: number;
      readonly rooms: readonly { readonly room: string; readonly members: string }[];
    },
  ) => ({
    keys: [input.index, ...input.rooms.map(({ members }) => members)],
    args: [input.fenceMs, input.ttlMs, ...input.rooms.map(({ room }) => room)],
  }),
  toWritten,
);

export const roomCount = defineScript(
  "room-count",
  (input: { readonly members: string; readonly holders: readonly string[] }) => ({
    keys: [input.members],
    args: input.holders,
  }),
  toNumber,
);

/** The keys of one partition of users. */
export interface UserKeys {
  readonly connections: string;
  readonly online: string;
}

/** Users of one partition, and the connections that it is about. */
export interface UserEntries extends UserKeys {
  /** Connection ids by what the user's entries begin with. */
  readonly users: ReadonlyMap<string, readonly string[]>;
}

export const userAdd = defineScript(
  "user-add",
  (input: Fenced & UserEntries & { readonly ttlMs: number }) => ({
    keys: [input.connections, input.online],
    args: [input.fenceMs, input.ttlMs, ...userArgs(input)],
  }),
  toWritten,
);

export const userRemove = defineScript(
  "user-remove",
  (input: Fenced & UserEntries) => ({
    keys: [input.connections, input.online],
    args: [input.fenceMs, ...userArgs(input)],
  }),
  toWritten,
);

export const userRenew = defineScript(
  "user-renew",
  (input: Fenced & UserKeys & { readonly ttlMs: number }) => ({
    keys: [input.connections, input.online],
    args: [input.fenceMs, input.ttlMs],
  }),
  toWritten,
);

function userArgs({ users }: UserEntries): (string | number)[] {
  return [...users].flatMap(([head, ids]): (string | number)[] => [head, ids.length, ...ids]);
}
