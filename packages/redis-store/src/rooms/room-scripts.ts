import {
  defineScript,
  type Fenced,
  toList,
  toNumber,
  toOutcomes,
  toStrings,
  toWritten,
} from "../scripts/script-definition.js";

/** The keys of one room, and the room's name. */
export interface RoomKeys {
  readonly index: string;
  readonly members: string;
  /** The key of the roster's version, which is also the name of the roster's channel. */
  readonly roster: string;
  readonly record: string;
  /** The partition's rooms by expiry of their record. */
  readonly records: string;
  readonly room: string;
}

/** How changes are announced. */
export interface Announcing {
  /** The command that publishes the changes. */
  readonly publishCommand: string;
}

/** A member's entry in the room, and the metadata that is announced with it. */
export interface MemberArgument {
  readonly entry: string;
  /** JSON text; empty for none. */
  readonly metadata: string;
}

/** Members to add to one room, or existing members to announce with new metadata. */
export interface RoomJoin {
  readonly keys: RoomKeys;
  readonly quiet: boolean;
  readonly onlyExisting: boolean;
  /** Initial value of the room's record; `undefined` if none is requested. */
  readonly value: string | undefined;
  readonly entries: readonly MemberArgument[];
}

/** Adds members to rooms; in a Cluster, all of them in one partition. */
export const roomJoin = defineScript(
  "room-join",
  (
    input: Fenced &
      Announcing & { readonly ttlMs: number; readonly recordTtlMs: number; readonly joins: readonly RoomJoin[] },
  ) => {
    const keys: string[] = [];
    const args: (string | number)[] = [input.fenceMs, input.ttlMs, input.publishCommand, input.recordTtlMs];
    for (const { keys: roomKeys, quiet, onlyExisting, value, entries } of input.joins) {
      keys.push(roomKeys.index, roomKeys.members, roomKeys.roster);
      const options = `${quiet ? "q" : ""}${onlyExisting ? "x" : ""}${value === undefined ? "" : "r"}`;
      args.push(roomKeys.room, options);
      if (value !== undefined) {
        keys.push(roomKeys.record, roomKeys.records);
        args.push(value);
      }
      args.push(2 * entries.length);
      for (const { entry, metadata } of entries) args.push(entry, metadata);
    }
    return { keys, args };
  },
  toOutcomes,
);

export const roomLeave = defineScript(
  "room-leave",
  (input: Fenced & RoomKeys & Announcing & { readonly reason: string; readonly entries: readonly string[] }) => ({
    keys: roomKeys(input),
    args: [input.fenceMs, input.room, input.publishCommand, input.reason, ...input.entries],
  }),
  toWritten,
);

/**
 * Removes a holder's members from rooms of one partition, at most `most` members in total. Returns for each
 * processed room the removed members, or the error that kept it from being processed; `undefined` if the fence
 * has passed.
 */
export const roomEvict = defineScript(
  "room-evict",
  (
    input: Fenced &
      Announcing & { readonly rooms: readonly RoomKeys[]; readonly holder: string; readonly most: number },
  ) => {
    const [first] = input.rooms;
    return {
      keys: [
        ...(first === undefined ? [] : [first.index, first.records]),
        ...input.rooms.flatMap(({ members, roster, record }) => [members, roster, record]),
      ],
      args: [input.fenceMs, input.publishCommand, input.holder, input.most, ...input.rooms.map(({ room }) => room)],
    };
  },
  (reply): (string[] | Error)[] | undefined => {
    const [written, ...rooms] = toList(reply);
    if (Number(written) !== 1) return undefined;
    return rooms.map((members) => (members instanceof Error ? members : toStrings(members)));
  },
);

/** Renews rooms of one partition. */
export const roomRenew = defineScript(
  "room-renew",
  (
    input: Fenced & {
      readonly index: string;
      readonly records: string;
      readonly ttlMs: number;
      readonly rooms: readonly RoomKeys[];
    },
  ) => ({
    keys: [input.index, input.records, ...input.rooms.flatMap(({ members, record }) => [members, record])],
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

export const roomAnnounce = defineScript(
  "room-announce",
  (input: { readonly roster: string; readonly ttlMs: number }) => ({ keys: [input.roster], args: [input.ttlMs] }),
  toNumber,
);

/**
 * Reads members of one holder in rooms of one partition, beginning after the entry `after` of the first room.
 */
export const roomHeld = defineScript(
  "room-held",
  (input: {
    readonly rooms: readonly RoomKeys[];
    readonly holder: string;
    readonly after: string;
    readonly most: number;
  }) => ({
    keys: input.rooms.map(({ members }) => members),
    args: [input.holder, input.after, input.most],
  }),
  (reply) => toList(reply).map(toStrings),
);

/**
 * Reconciles rooms of one partition with at most `most` look-ups. Continues in the first room after the holder
 * `after`; an empty `after` begins with the room's first holder.
 */
export const roomReconcile = defineScript(
  "room-reconcile",
  (input: {
    readonly index: string;
    readonly records: string;
    readonly rooms: readonly RoomKeys[];
    readonly after: string;
    readonly most: number;
  }) => ({
    keys: [input.index, input.records, ...input.rooms.flatMap(({ members, record }) => [members, record])],
    args: [input.after, input.most, ...input.rooms.map(({ room }) => room)],
  }),
  (reply) => {
    const [finished, after = "", repaired, ...holders] = toStrings(reply);
    return { finished: Number(finished), after, repaired: Number(repaired), holders };
  },
);

/** Returns all keys of a room. */
export function roomKeys({ index, members, roster, record, records }: RoomKeys): string[] {
  return [index, members, roster, record, records];
}
