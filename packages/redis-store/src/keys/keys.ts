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
 * `key-table.ts` says of each what it holds, who writes it and when it goes. `docs/keys.md` is
 * made of that.
 *
 * Redis delivers messages across databases, so in database 5 the names of channels begin with
 * `<prefix>:@5` instead; no prefix has an `@`. Scripts publish a roster's changes under the name
 * of its key, which therefore begins so too.
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
