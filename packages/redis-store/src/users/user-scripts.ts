import type { Announcing } from "../rooms/room-scripts.js";
import {
  defineScript,
  type Fenced,
  toList,
  toNumber,
  toOutcomes,
  toStrings,
  toWritten,
} from "../scripts/script-definition.js";

/** The keys and the channel of one partition's users. */
export interface UserKeys {
  readonly connections: string;
  readonly online: string;
  readonly metadata: string;
  readonly leaving: string;
  readonly seen: string;
  readonly version: string;
  readonly channel: string;
}

/** A write that is announced on the feed of the users' partition. */
export interface UserWrite extends UserKeys, Announcing {
  /** How long the version of the latest change is kept, in milliseconds. */
  readonly versionTtlMs: number;
}

/** A connection to write. */
export interface UserEntry {
  /** The user's head, with which the user's entries begin. */
  readonly head: string;
  readonly connectionId: string;
  /** JSON text; empty for none. */
  readonly metadata: string;
}

/** Entries of one partition's users, by the head that a user's entries begin with. */
export type UserEntries = ReadonlyMap<string, readonly UserEntry[]>;

/** The state of one user as read from Redis. */
export interface UserRow {
  readonly head: string;
  readonly isLeaving: boolean;
  readonly connections: readonly { readonly connectionId: string; readonly metadata: string }[];
}

/** The keys of one partition, and the entries of its users that a call writes. */
export interface PartitionUsers {
  readonly keys: UserKeys;
  readonly users: UserEntries;
}

/** A write to the users of several partitions; in a Cluster, of only one. */
interface PartitionsWrite extends Fenced, Announcing {
  readonly ttlMs: number;
  /** How long the version of the latest change is kept, in milliseconds. */
  readonly versionTtlMs: number;
  readonly partitions: readonly PartitionUsers[];
}

/** The outcome of {@link userAdd} for a partition in which a user would exceed the maximum. */
export const TOO_MANY = -2;

/** Returns one outcome per partition: 1, {@link TOO_MANY} or an error. `undefined` if the fence has passed. */
export const userAdd = defineScript(
  "user-add",
  (
    input: PartitionsWrite & {
      readonly quiet: boolean;
      readonly onlyExisting: boolean;
      /** Maximum number of connections per user; 0 for no limit. */
      readonly maxPerUser: number;
    },
  ) => ({
    keys: input.partitions.flatMap(({ keys }) => allKeys(keys)),
    args: [
      ...partitionsArgs(input),
      input.quiet ? 1 : 0,
      input.onlyExisting ? 1 : 0,
      input.maxPerUser,
      ...usersArgs(input.partitions, ({ connectionId, metadata }) => [connectionId, metadata]),
    ],
  }),
  toOutcomes,
);

/** Returns one outcome per partition: 1 or an error. `undefined` if the fence has passed. */
export const userRemove = defineScript(
  "user-remove",
  (input: PartitionsWrite & { readonly graceMs: number; readonly seenTtlMs: number }) => ({
    keys: input.partitions.flatMap(({ keys }) => allKeys(keys)),
    args: [
      ...partitionsArgs(input),
      input.graceMs,
      input.seenTtlMs,
      ...usersArgs(input.partitions, ({ connectionId }) => [connectionId]),
    ],
  }),
  toOutcomes,
);

/**
 * Returns the milliseconds until the next grace period ends, 0 if more have ended, -1 if none is running.
 */
export const userSettle = defineScript(
  "user-settle",
  (input: UserWrite & { readonly most: number; readonly seenTtlMs: number }) => ({
    keys: [input.connections, input.online, input.leaving, input.seen, input.version],
    args: [input.most, input.channel, input.publishCommand, input.versionTtlMs, input.seenTtlMs],
  }),
  toNumber,
);

export const userRenew = defineScript(
  "user-renew",
  (input: Fenced & UserKeys & { readonly ttlMs: number }) => ({
    keys: [input.connections, input.online, input.metadata],
    args: [input.fenceMs, input.ttlMs],
  }),
  toWritten,
);

/** Reads the states of users of one partition, in the order of `heads`. */
export const userStates = defineScript(
  "user-states",
  (input: UserKeys & { readonly seenTtlMs: number; readonly heads: readonly string[] }) => ({
    keys: [input.connections, input.metadata, input.seen, input.version],
    args: [input.seenTtlMs, ...input.heads],
  }),
  (reply) => {
    const [version, ...rest] = toList(reply);
    const rows: (UserRow & { readonly lastSeen: number | undefined })[] = [];
    for (let i = 0; i < rest.length; i += 2) {
      const seen = String(rest[i + 1]);
      rows.push({ ...toRow(rest[i]), lastSeen: seen === "" ? undefined : Number(seen) });
    }
    return { version: Number(version), rows };
  },
);

/** Reads online users of one partition, beginning with the first one after the head `after`. */
export const usersOnline = defineScript(
  "users-online",
  (input: UserKeys & { readonly after: string; readonly mostUsers: number; readonly mostConnections: number }) => ({
    keys: [input.connections, input.metadata, input.version],
    args: [input.after, input.mostUsers, input.mostConnections],
  }),
  (reply) => {
    const [version, ended, ...rows] = toList(reply);
    return { version: Number(version), ended: Number(ended) === 1, rows: rows.map(toRow) };
  },
);

/** Reads the connections of one holder among the next entries of a partition. */
export const userHeld = defineScript(
  "user-held",
  (input: UserKeys & { readonly holder: string; readonly after: string; readonly most: number }) => ({
    keys: [input.connections, input.metadata],
    args: [input.holder, input.after, input.most],
  }),
  (reply) => {
    const [last = "", ...rest] = toStrings(reply);
    const held: { readonly entry: string; readonly metadata: string }[] = [];
    for (let i = 0; i < rest.length; i += 2) held.push({ entry: rest[i] ?? "", metadata: rest[i + 1] ?? "" });
    return { last, held };
  },
);

/** Reconciles the next entries of a partition. `mark` is the one that the first call of a count returned, or ''. */
export const userReconcile = defineScript(
  "user-reconcile",
  (
    input: UserKeys & {
      readonly after: string;
      readonly counted: number;
      readonly mark: string;
      readonly most: number;
      readonly ttlMs: number;
    },
  ) => ({
    keys: [input.connections, input.online, input.metadata, input.leaving, input.version],
    args: [input.after, input.counted, input.mark, input.most, input.ttlMs],
  }),
  (reply) => {
    const [ended, mark = "", last = "", counted, repaired, ...holders] = toStrings(reply);
    return {
      ended: ended !== "0",
      changed: ended === "2",
      mark,
      last,
      counted: Number(counted),
      repaired: Number(repaired),
      holders,
    };
  },
);

/** Returns the keys of a partition that adding and removing connections use, in the order of the scripts. */
export function allKeys({ connections, online, metadata, leaving, seen, version }: UserKeys): string[] {
  return [connections, online, metadata, leaving, seen, version];
}

function partitionsArgs(input: PartitionsWrite): (string | number)[] {
  return [input.fenceMs, input.ttlMs, input.publishCommand, input.versionTtlMs];
}

function usersArgs(
  partitions: readonly PartitionUsers[],
  valuesOf: (entry: UserEntry) => readonly string[],
): (string | number)[] {
  const args: (string | number)[] = [];
  for (const { keys, users } of partitions) {
    args.push(keys.channel, 0);
    const first = args.length;
    for (const [head, entries] of users) {
      args.push(head, entries.length);
      for (const entry of entries) args.push(...valuesOf(entry));
    }
    args[first - 1] = args.length - first;
  }
  return args;
}

function toRow(reply: unknown): UserRow {
  const [head = "", isLeaving, ...rest] = toStrings(reply);
  const connections: { readonly connectionId: string; readonly metadata: string }[] = [];
  for (let i = 0; i < rest.length; i += 2) {
    connections.push({ connectionId: rest[i] ?? "", metadata: rest[i + 1] ?? "" });
  }
  return { head, isLeaving: isLeaving === "1", connections };
}
