import type { Channel } from "@cm/protocol";
import { partitionOf, partitionTags } from "./partitions.js";

/** A room or user with the keys of its partition. */
export interface Partition<T> {
  /** The key of the partition's index. */
  readonly indexKey: string;
  readonly items: T[];
}

/**
 * The names of all keys and channels. What one script touches together carries one
 * hash tag, and so lies in one slot of a Cluster:
 *
 * | key | type | tag |
 * |---|---|---|
 * | `<prefix>:layout` | hash | |
 * | `<prefix>:{servers}` | sorted set: server id by lease expiry | `servers` |
 * | `<prefix>:{servers}:<serverId>` | hash | `servers` |
 * | `<prefix>:{<serverId>}:connections:<shelf>` | hash: connection id by record | server id |
 * | `<prefix>:{r.*}:rooms` | set of rooms | the room's partition |
 * | `<prefix>:{r.*}:rooms:<room>` | sorted set: `<connectionId>\|<userId>`, all scores 0 | the room's partition |
 * | `<prefix>:{u.*}:online` | set of users | the user's partition |
 * | `<prefix>:{u.*}:connections:<userId>` | hash: connection ids | the user's partition |
 *
 * Channels: `<prefix>:{r.*}:room:<room>` and `<prefix>:{<serverId>}:server`.
 */
export class Keys {
  readonly layout: string;
  readonly leases: string;
  readonly partitions: number;
  readonly #prefix: string;
  readonly #roomHeads: readonly string[];
  readonly #userHeads: readonly string[];

  constructor(prefix: string, partitions: number) {
    this.#prefix = prefix;
    this.partitions = partitions;
    this.layout = `${prefix}:layout`;
    this.leases = `${prefix}:{servers}`;
    this.#roomHeads = partitionTags("r", partitions).map((tag) => `${prefix}:{${tag}}:`);
    this.#userHeads = partitionTags("u", partitions).map((tag) => `${prefix}:{${tag}}:`);
  }

  server(serverId: string): string {
    return `${this.leases}:${serverId}`;
  }

  shelf(serverId: string, shelf: number): string {
    return `${this.#prefix}:{${serverId}}:connections:${shelf}`;
  }

  room(room: string): string {
    return `${this.#roomHead(room)}rooms:${room}`;
  }

  roomIndex(room: string): string {
    return `${this.#roomHead(room)}rooms`;
  }

  /** One a partition. */
  roomIndexes(): string[] {
    return this.#roomHeads.map((head) => `${head}rooms`);
  }

  user(userId: string): string {
    return `${this.#userHead(userId)}connections:${userId}`;
  }

  userIndex(userId: string): string {
    return `${this.#userHead(userId)}online`;
  }

  /** One a partition. */
  userIndexes(): string[] {
    return this.#userHeads.map((head) => `${head}online`);
  }

  channel(channel: Channel): string {
    return channel.kind === "room"
      ? `${this.#roomHead(channel.name)}room:${channel.name}`
      : `${this.#prefix}:{${channel.name}}:server`;
  }

  #roomHead(room: string): string {
    return this.#roomHeads[partitionOf(room, this.partitions)] ?? "";
  }

  #userHead(userId: string): string {
    return this.#userHeads[partitionOf(userId, this.partitions)] ?? "";
  }
}
