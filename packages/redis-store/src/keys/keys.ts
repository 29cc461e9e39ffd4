import { type Channel, CmError } from "@cm/protocol";
import type { ShelfKeys } from "../connections/connection-scripts.js";
import type { HistoryKeys } from "../history/history-scripts.js";
import type { RoomKeys } from "../rooms/room-scripts.js";
import type { UserKeys } from "../users/user-scripts.js";
import { partitionOf, partitionTags } from "./partitions.js";

/**
 * The names of all keys and channels. What one script touches together carries one
 * hash tag, and so lies in one slot of a Cluster. A server id has neither a dot nor a colon:
 * what lies beside the servers' records is told apart from them by a dot in that place, and
 * the tags of partitions have one too.
 *
 *
 * | key | type | tag |
 * |---|---|---|
 * | `<prefix>:layout` | hash | |
 * | `<prefix>:{servers}` | sorted set: `<serverId>.<incarnation>` by lease expiry | `servers` |
 * | `<prefix>:{servers}:<serverId>` | hash | `servers` |
 * | `<prefix>:{servers}.reaped` | sorted set: `<serverId>.<incarnation>` by the time of its burial | `servers` |
 * | `<prefix>:{servers}.remains` | sorted set: `<serverId>.<incarnation>`, unknown to the above, by when the right ends to remove what it has left | `servers` |
 * | `<prefix>:{servers}.recently-gone` | sorted set: `<serverId>.<incarnation>` by when it went | `servers` |
 * | `<prefix>:{servers}.signs` | sorted set: `<serverId>.<incarnation>` by its last sign of life | `servers` |
 * | `<prefix>:{<serverId>}:connections:<shelf>` | hash: record by connection id, less the server id | server id |
 * | `<prefix>:{<serverId>}:places:<shelf>` | sorted set: connection id, less the server id, `\|`, room and order of coming in, all scores 0; see `decodePlace` | server id |
 * | `<prefix>:{r.*}:rooms` | set of rooms | the room's partition |
 * | `<prefix>:{r.*}:rooms:<room>` | sorted set: `<connectionId>\|<userId>`, all scores 0 | the room's partition |
 * | `<prefix>:{r.*}:roster:<room>` | version of the latest roster change, while an `announce` of the room is in effect | the room's partition |
 * | `<prefix>:{r.*}:record:<room>` | hash | the room's partition |
 * | `<prefix>:{r.*}:records` | sorted set: rooms by expiry of their record | the room's partition |
 * | `<prefix>:{r.*}:history:<room>` | list: 13 digits of milliseconds, then the message, of a recoverable room | the room's partition |
 * | `<prefix>:{r.*}:place:<room>` | hash: epoch and latest offset of the history | the room's partition |
 * | `<prefix>:{r.*}:sender:<serverId>:<room>` | numbers that came of one server into the history | the room's partition |
 * | `<prefix>:{u.*}:connections` | sorted set: user and connection id, or user alone while leaving, all scores 0; see `userEntryHead` | the user's partition |
 * | `<prefix>:{u.*}:online` | number of the partition's users that are online or leaving | the user's partition |
 * | `<prefix>:{u.*}:metadata` | hash: JSON text by connection id, of those that have some | the user's partition |
 * | `<prefix>:{u.*}:leaving` | sorted set: users by the end of their grace period | the user's partition |
 * | `<prefix>:{u.*}:seen` | sorted set: users who are offline by when they were last online | the user's partition |
 * | `<prefix>:{u.*}:version` | version of the latest presence change | the user's partition |
 *
 * Channels: `<prefix>:{r.*}:room:<room>`, `<prefix>:{<serverId>}:server`,
 * `<prefix>:{r.*}:roster:<room>`, `<prefix>:{u.*}:presence:updates` and
 * `<prefix>:{p*}:probe:<id>`. Redis delivers messages across databases, so in database 5
 * the names of channels begin with `<prefix>:@5` instead; no prefix has an `@`. Scripts
 * publish a roster's changes under the name of its key, which therefore begins so too.
 */
export class Keys {
  readonly layout: string;
  readonly leases: string;
  /** Holders that were cleaned up after. */
  readonly reaped: string;
  /** Holders that were unknown, and whose remains are removed. */
  readonly remains: string;
  /** Holders that are gone. */
  readonly recentlyGone: string;
  /** Holders by their last sign of life. */
  readonly signs: string;
  readonly partitions: number;
  readonly #prefix: string;
  /** What the names of channels begin with. */
  readonly #channelPrefix: string;
  readonly #roomHeads: readonly string[];
  readonly #roomChannelHeads: readonly string[];
  readonly #userKeys: readonly UserKeys[];

  constructor(prefix: string, partitions: number, database: number) {
    this.#prefix = prefix;
    this.#channelPrefix = database === 0 ? prefix : `${prefix}:@${database}`;
    this.partitions = partitions;
    this.layout = `${prefix}:layout`;
    this.leases = `${prefix}:{servers}`;
    this.reaped = `${prefix}:{servers}.reaped`;
    this.remains = `${prefix}:{servers}.remains`;
    this.recentlyGone = `${prefix}:{servers}.recently-gone`;
    this.signs = `${prefix}:{servers}.signs`;
    const roomTags = partitionTags("r", partitions);
    this.#roomHeads = roomTags.map((tag) => `${prefix}:{${tag}}:`);
    this.#roomChannelHeads = roomTags.map((tag) => `${this.#channelPrefix}:{${tag}}:`);
    this.#userKeys = partitionTags("u", partitions).map((tag) => {
      const head = `${prefix}:{${tag}}:`;
      return {
        connections: `${head}connections`,
        online: `${head}online`,
        metadata: `${head}metadata`,
        leaving: `${head}leaving`,
        seen: `${head}seen`,
        version: `${head}version`,
        channel: `${this.#channelPrefix}:{${tag}}:presence:updates`,
      };
    });
  }

  server(serverId: string): string {
    return `${this.leases}:${serverId}`;
  }

  shelf(serverId: string, shelf: number): ShelfKeys {
    const head = `${this.#prefix}:{${serverId}}:`;
    return { records: `${head}connections:${shelf}`, places: `${head}places:${shelf}` };
  }

  /** The partition of a room or user. */
  partitionOf(name: string): number {
    return partitionOf(name, this.partitions);
  }

  room(room: string): string {
    return `${this.#roomHead(room)}rooms:${room}`;
  }

  /** The keys of a room, and of its partition. */
  roomKeys(room: string): RoomKeys {
    const head = this.#roomHead(room);
    return {
      index: `${head}rooms`,
      members: `${head}rooms:${room}`,
      roster: this.channel({ kind: "roster", name: room }),
      record: `${head}record:${room}`,
      records: `${head}records`,
      room,
    };
  }

  historyKeys(room: string): HistoryKeys {
    const head = this.#roomHead(room);
    return { history: `${head}history:${room}`, place: `${head}place:${room}`, head, room };
  }

  /** What came of one server into a room's history; a server id has no colon. */
  historySender({ head, room }: HistoryKeys, serverId: string): string {
    return `${head}sender:${serverId}:${room}`;
  }

  /** The index of a partition's rooms; `options-invalid` where there is no such partition. */
  roomIndex(partition: number): string {
    return `${this.#ofPartition(this.#roomHeads, partition)}rooms`;
  }

  /** One a partition. */
  roomIndexes(): string[] {
    return this.#roomHeads.map((head) => `${head}rooms`);
  }

  /** One a partition. */
  recordIndexes(): string[] {
    return this.#roomHeads.map((head) => `${head}records`);
  }

  /** The keys of a user's partition: the same object for all of its users. */
  users(userId: string): UserKeys {
    return this.userPartition(this.partitionOf(userId));
  }

  /** The keys of a partition's users; `options-invalid` where there is no such partition. */
  userPartition(partition: number): UserKeys {
    return this.#ofPartition(this.#userKeys, partition);
  }

  /** One a partition. */
  onlineKeys(): string[] {
    return this.#userKeys.map(({ online }) => online);
  }

  /** What connections are counted by, one a partition. */
  connectionCounts(): readonly Pick<UserKeys, "connections" | "leaving">[] {
    return this.#userKeys;
  }

  /** `options-invalid` where it is the presence of a partition that does not exist. */
  channel({ kind, name }: Channel): string {
    switch (kind) {
      case "room":
        return `${this.#roomChannelHead(name)}room:${name}`;
      case "server":
        return `${this.#channelPrefix}:{${name}}:server`;
      case "roster":
        return `${this.#roomChannelHead(name)}roster:${name}`;
      case "presence":
        return this.userPartition(Number(name)).channel;
    }
  }

  /** A channel for a store's own probes; each `n` lies in another slot of a Cluster. */
  probe(n: number, id: string): string {
    return `${this.#channelPrefix}:{p${n}}:probe:${id}`;
  }

  #roomHead(room: string): string {
    return this.#roomHeads[this.partitionOf(room)] ?? "";
  }

  #roomChannelHead(room: string): string {
    return this.#roomChannelHeads[this.partitionOf(room)] ?? "";
  }

  #ofPartition<T>(all: readonly T[], partition: number): T {
    const found = all[partition];
    if (found !== undefined) return found;
    throw new CmError("options-invalid", `partition must be a whole number from 0 to ${this.partitions - 1}.`, {
      details: { field: "partition" },
    });
  }
}
