import { type Channel, partitionOf } from "@cm/protocol";
import { requirePartition } from "@cm/protocol/store";
import type { RecordPartitionKeys } from "../connections/connection-scripts.js";
import type { HistoryKeys } from "../history/history-scripts.js";
import type { RoomKeys } from "../rooms/room-scripts.js";
import type { UserKeys } from "../users/user-scripts.js";
import { partitionTags } from "./partition-tags.js";

/**
 * The names of all keys and channels. Keys that one script uses together carry the same hash tag, so that
 * they share one slot of a Cluster. A server id contains neither a dot nor a colon. A server's record is
 * `{servers}:<server>`, and the other keys with this tag continue with a dot, so that the names differ. The tags of
 * partitions contain a dot, so that they differ from server ids, which are tags as well.
 *
 * `key-table.ts` lists for each name what the key holds, who writes it and when it is deleted. `docs/keys.md`
 * is generated from that table.
 *
 * Redis delivers messages across databases, so in database 5, for example, the names of channels begin with
 * `<prefix>:@5` instead; a prefix contains no `@`. Scripts publish a roster's changes under the name of its
 * key, so that key begins in the same way.
 */
export class Keys {
  readonly layout: string;
  readonly leases: string;
  /** Holders that were cleaned up by a reaper. */
  readonly reaped: string;
  /** Orphans whose entries are being removed. */
  readonly orphans: string;
  /** Holders that have gone recently. */
  readonly recentlyGone: string;
  /** Holders by their last sign of life. */
  readonly signs: string;
  readonly partitions: number;
  readonly #prefix: string;
  /** The prefix of channel names. */
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
    this.orphans = `${prefix}:{servers}.orphans`;
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

  recordPartition(serverId: string, recordPartition: number): RecordPartitionKeys {
    const head = `${this.#prefix}:{${serverId}}:`;
    return { records: `${head}connections:${recordPartition}`, joined: `${head}places:${recordPartition}` };
  }

  /** The partition of a room or user. */
  partitionOf(name: string): number {
    return partitionOf(name, this.partitions);
  }

  room(room: string): string {
    return `${this.#roomHead(room)}rooms:${room}`;
  }

  /** The keys of a room and of its partition. */
  roomKeys(room: string): RoomKeys {
    const partition = this.partitionOf(room);
    const head = this.#roomHeads[partition] ?? "";
    return {
      index: `${head}rooms`,
      members: `${head}rooms:${room}`,
      roster: `${this.#roomChannelHeads[partition] ?? ""}roster:${room}`,
      record: `${head}record:${room}`,
      records: `${head}records`,
      room,
    };
  }

  historyKeys(room: string): HistoryKeys {
    const head = this.#roomHead(room);
    return { history: `${head}history:${room}`, position: `${head}place:${room}`, head, room };
  }

  /** The key of the numbers that a room's history received from one server. A server id contains no colon. */
  historySender({ head, room }: HistoryKeys, serverId: string): string {
    return `${head}sender:${serverId}:${room}`;
  }

  /** The key of a partition's index of rooms. Throws `options-invalid` if the partition does not exist. */
  roomIndex(partition: number): string {
    return `${requirePartition(this.#roomHeads, partition)}rooms`;
  }

  /** The key of each partition's index of rooms. */
  roomIndexes(): string[] {
    return this.#roomHeads.map((head) => `${head}rooms`);
  }

  /** The key of each partition's index of room records. */
  recordIndexes(): string[] {
    return this.#roomHeads.map((head) => `${head}records`);
  }

  /** The keys of a user's partition: the same object for all of its users. */
  users(userId: string): UserKeys {
    return this.userPartition(this.partitionOf(userId));
  }

  /** The keys of a partition's users. Throws `options-invalid` if the partition does not exist. */
  userPartition(partition: number): UserKeys {
    return requirePartition(this.#userKeys, partition);
  }

  /** The key of each partition's number of online users. */
  onlineKeys(): string[] {
    return this.#userKeys.map(({ online }) => online);
  }

  /** The keys from which each partition's connections are counted. */
  connectionCounts(): readonly Pick<UserKeys, "connections" | "leaving">[] {
    return this.#userKeys;
  }

  /** The name of a channel. Throws `options-invalid` for the presence of a partition that does not exist. */
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

  /**
   * A channel for a store's own probes. The values of `n` spread the channels over the slots of a Cluster.
   */
  probe(n: number, id: string): string {
    return `${this.#channelPrefix}:{p${n}}:probe:${id}`;
  }

  #roomHead(room: string): string {
    return this.#roomHeads[this.partitionOf(room)] ?? "";
  }

  #roomChannelHead(room: string): string {
    return this.#roomChannelHeads[this.partitionOf(room)] ?? "";
  }
}
