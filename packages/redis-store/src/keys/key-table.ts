import type { Channel } from "@cm/protocol";
import type { RecordPartitionKeys } from "../connections/connection-scripts.js";
import type { HistoryKeys } from "../history/history-scripts.js";
import type { RoomKeys } from "../rooms/room-scripts.js";
import type { UserKeys } from "../users/user-scripts.js";
import { type KeyTimes, positionTtlMs, SIGNS_TTL_MS, serverTtlMs, versionTtlMs } from "./key-lifetimes.js";
import { Keys } from "./key-names.js";

/** The documented facts about a key or channel. `docs/keys.md` is generated from them. */
interface KeyFacts {
  /** The type as reported by Redis's `TYPE`, or `channel`. */
  readonly type: "hash" | "list" | "set" | "string" | "zset" | "channel";
  readonly holds: string;
  readonly writer: string;
  /** When the key is deleted; for a channel, when a server's subscription ends. */
  readonly goes: string;
  /** The time to live that a write sets, in milliseconds; missing if the key has none. */
  readonly ttlMs?: (times: KeyTimes) => number;
}

/** A kind of key or channel that the store uses. */
export interface KeyEntry extends KeyFacts {
  /**
   * The name with the prefix `cm`; `<server>`, `<room>`, `<partition>`, `<id>` and `*` stand for the variable
   * parts.
   */
  readonly name: string;
}

type TextField<T> = { [K in keyof T]: T[K] extends string ? K : never }[keyof T];

const connectionTtl = ({ connectionTtlMs }: KeyTimes): number => connectionTtlMs;
const historyTtl = ({ historyTtlMs }: KeyTimes): number => historyTtlMs;
const recordTtl = ({ roomRecordTtlMs }: KeyTimes): number => roomRecordTtlMs;

const RENEWED = "`connectionTtlMs` (1 h) after its owners' last renewal, or with its last entry";
const WITH_GRACE = "`connectionTtlMs` (1 h) and the grace period after the last renewal, or with its last entry";
const RECORDED = "`roomRecordTtlMs` (2 h) after the latest activity, or with the last member";
const AFTER_MESSAGE = "`historyTtlMs` (5 min) after the latest message";

// The compiler reports a key of `Keys` that has no entry here.
const SHARED: Readonly<Record<TextField<Keys>, KeyFacts>> = {
  layout: {
    type: "hash",
    holds: "version of the layout and number of partitions",
    writer: "the first server that starts; with each heartbeat, a server that misses it",
    goes: "stays for good",
  },
  leases: {
    type: "zset",
    holds:
      "servers, as `<server>.<incarnation>`, by the end of their lease, by Redis's clock; each heartbeat extends the lease",
    writer: "each server for itself; the reaper removes a dead one",
    goes: "with the last server",
  },
  reaped: {
    type: "zset",
    holds:
      "reaped servers, by the time of the clean-up: a server that comes back learns that its connections were announced as gone",
    writer: "the reaper",
    goes: "`connectionTtlMs` (1 h) after the latest clean-up",
    ttlMs: connectionTtl,
  },
  orphans: {
    type: "zset",
    holds: "orphans that other servers clean up after, by the end of the claim",
    writer: "the server that claims an orphan",
    goes: "`connectionTtlMs` (1 h) and the duration of a claim after the latest claim",
    ttlMs: ({ connectionTtlMs, claimMs }) => connectionTtlMs + claimMs,
  },
  recentlyGone: {
    type: "zset",
    holds:
      "servers that have gone in the last 10 min: a server that was cut off learns that they can't answer it any more",
    writer: "a server that goes, or the reaper",
    goes: "with the last server",
  },
  signs: {
    type: "zset",
    holds: "servers by their last sign of life, for those that watch each other",
    writer: "each server, five times in `deadAfterMs`",
    goes: "with the last server, or after an hour without a sign",
    ttlMs: () => SIGNS_TTL_MS,
  },
};

const SERVER: Readonly<Record<"record", KeyFacts>> = {
  record: {
    type: "hash",
    holds: "host, port, counters, last heartbeat and fencing token of a server, and the claim of its reaper",
    writer: "the server, with each heartbeat; its reaper",
    goes: "`connectionTtlMs` (1 h) or ten leases after the last heartbeat, or when the server is gone",
    ttlMs: serverTtlMs,
  },
};

const RECORD_PARTITION: Readonly<Record<keyof RecordPartitionKeys, KeyFacts>> = {
  records: {
    type: "hash",
    holds: "connection records without their rooms, about 64 per key; a connection's id names its key",
    writer: "the server that the key names; its reaper",
    goes: RENEWED,
    ttlMs: connectionTtl,
  },
  joined: {
    type: "zset",
    holds:
      "the rooms of the connections in the record key with the same number, ordered by connection: the rooms of one connection are one range, and a join adds one entry",
    writer: "the server that the key names; its reaper",
    goes: RENEWED,
    ttlMs: connectionTtl,
  },
};

const ROOM: Readonly<Record<Exclude<keyof RoomKeys, "room">, KeyFacts>> = {
  index: {
    type: "set",
    holds: "rooms of a partition",
    writer: "servers with members in them",
    goes: RENEWED,
    ttlMs: connectionTtl,
  },
  members: {
    type: "zset",
    holds:
      "a room's members (a game's players): connections with their users, ordered by owner, so that the members of one server are one range",
    writer: "the members' owners; the reaper of a dead one",
    goes: RENEWED,
    ttlMs: connectionTtl,
  },
  roster: {
    type: "string",
    holds: "version of the latest change of the roster, while a server watches the room",
    writer: "servers that watch the room; then each server that changes the roster",
    goes: "after the time that watchers asked for",
    ttlMs: ({ announceMs }) => announceMs,
  },
  record: {
    type: "hash",
    holds: "a room's record (a game's state and creator in `value`), its version and times",
    writer: "the server whose member writes, joins or leaves",
    goes: RECORDED,
    ttlMs: recordTtl,
  },
  records: {
    type: "zset",
    holds: "rooms of a partition that have a record (games), by the time at which the record expires",
    writer: "the same servers as the record",
    goes: "`roomRecordTtlMs` (2 h) and up to 1 s after the latest activity in one of them, or with the last of them",
    ttlMs: recordTtl,
  },
};

const HISTORY: Readonly<Record<Exclude<keyof HistoryKeys, "head" | "room"> | "sender", KeyFacts>> = {
  history: {
    type: "list",
    holds: "a recoverable room's latest messages, as they were published on its channel, each after its time",
    writer: "servers that publish in the room",
    goes: AFTER_MESSAGE,
    ttlMs: historyTtl,
  },
  position: {
    type: "hash",
    holds:
      "epoch and latest offset of the room's history; if it replaced a history that was set back, also that one's epoch and the offset that it had reached at least",
    writer: "servers that publish in the room or read its history",
    goes: "1 day after the latest message, or `historyTtlMs` if that is longer",
    ttlMs: positionTtlMs,
  },
  sender: {
    type: "string",
    holds:
      "numbers of one server's messages that the room's history has received, so that a message sent twice is stored once",
    writer: "the server that the key names",
    goes: "`historyTtlMs` (5 min) after that server's latest message",
    ttlMs: historyTtl,
  },
};

const USER: Readonly<Record<Exclude<keyof UserKeys, "channel">, KeyFacts>> = {
  connections: {
    type: "zset",
    holds:
      "the connections of a partition's users, ordered by user, so that the connections of one user are one range; a leaving user has an entry without a connection",
    writer: "the connections' owners; the reaper of a dead one",
    goes: WITH_GRACE,
    ttlMs: ({ connectionTtlMs, graceMs }) => connectionTtlMs + graceMs,
  },
  online: {
    type: "string",
    holds: "number of the partition's users that are online, including leaving ones",
    writer: "the same servers as the connections",
    goes: WITH_GRACE,
    ttlMs: ({ connectionTtlMs, graceMs }) => connectionTtlMs + graceMs,
  },
  metadata: {
    type: "hash",
    holds: "metadata of the connections that have any; the name of a socket is part of it",
    writer: "the connections' owners",
    goes: RENEWED,
    ttlMs: connectionTtl,
  },
  leaving: {
    type: "zset",
    holds: "users in their grace period, by its end",
    writer: "the owner of a user's last connection; any server ends the period",
    goes: WITH_GRACE,
    ttlMs: ({ connectionTtlMs, graceMs }) => connectionTtlMs + graceMs,
  },
  seen: {
    type: "zset",
    holds: "users who are offline, by when they were last online",
    writer: "the server that takes a user offline",
    goes: "`lastSeenTtlMs` (1 day) after the latest of them",
    ttlMs: ({ lastSeenTtlMs }) => lastSeenTtlMs,
  },
  version: {
    type: "string",
    holds: "version of the partition's latest change of presence",
    writer: "any server that changes a user",
    goes: "`lastSeenTtlMs` (1 day) after the latest change, or `connectionTtlMs` if that is longer",
    ttlMs: versionTtlMs,
  },
};

const CHANNELS: Readonly<Record<Channel["kind"] | "probe", KeyFacts>> = {
  room: {
    type: "channel",
    holds: "a room's messages (a game's events)",
    writer: "servers that publish in the room",
    goes: "some seconds after a server's last member left",
  },
  server: {
    type: "channel",
    holds: "messages to one server, including requests and answers",
    writer: "the other servers",
    goes: "with the server",
  },
  roster: {
    type: "channel",
    holds: "joins, leaves and new metadata of a room's members",
    writer: "the scripts that change the members",
    goes: "with the last watch",
  },
  presence: {
    type: "channel",
    holds: "changes of presence of a partition's users, numbered, one per message",
    writer: "the scripts that change the users",
    goes: "with the last watch",
  },
  probe: {
    type: "channel",
    holds: "messages of a process to itself, which show that its subscriber receives messages",
    writer: "the process itself",
    goes: "with the process",
  },
};

/** All kinds of keys and channels that the store uses: names from `Keys`, with the facts listed above. */
export const KEY_TABLE: readonly KeyEntry[] = keyTable();

function keyTable(): KeyEntry[] {
  const keys = new Keys("cm", 1, 0);
  const history = keys.historyKeys("<room>");
  const channels = {
    room: keys.channel({ kind: "room", name: "<room>" }),
    server: keys.channel({ kind: "server", name: "<server>" }),
    roster: keys.channel({ kind: "roster", name: "<room>" }),
    presence: keys.channel({ kind: "presence", name: "0" }),
    probe: keys.probe(0, "<id>"),
  };
  return [
    ...entriesOf(keys, SHARED),
    ...entriesOf({ record: keys.server("<server>") }, SERVER),
    ...entriesOf(keys.recordPartition("<server>", 0), RECORD_PARTITION),
    ...entriesOf(keys.roomKeys("<room>"), ROOM),
    ...entriesOf({ ...history, sender: keys.historySender(history, "<server>") }, HISTORY),
    ...entriesOf(keys.users("<user>"), USER),
    ...entriesOf(channels, CHANNELS),
  ];
}

function entriesOf<K extends string>(
  names: Readonly<Record<K, string>>,
  facts: Readonly<Record<K, KeyFacts>>,
): KeyEntry[] {
  return (Object.entries<KeyFacts>(facts) as [K, KeyFacts][]).map(([key, each]) => {
    // The tag of partition 0 and the number of record partition 0 stand for all of them.
    const name = names[key].replace(/\{([ru]\.|p)\w+\}/, "{$1*}").replace(/^(cm:\{<server>\}:\w+:)0$/, "$1<partition>");
    return { name, ...each };
  });
}
