import type { Channel } from "@cm/protocol";
import { partitionOf, partitionTags } from "./partitions.js";
import type { UserKeys } from "./projection-scripts.js";

/**
 * The names of all keys and channels. What one script touches together carries one
 * hash tag, and so lies in one slot of a Cluster:
 *
 * | key | type | tag |
 * |---|---|---|
 * | `<prefix>:layout` | hash | |
 * | `<prefix>:{servers}` | sorted set: `<serverId>.<incarnation>` by lease expiry | `servers` |
 * | `<prefix>:{servers}:<serverId>` | hash | `servers` |
 * | `<prefix>:{<serverId>}:connections:<shelf>` | hash: record by connection id, less the server id | server id |
 * | `<prefix>:{r.*}:rooms` | set of rooms | the room's partition |
 * | `<prefix>:{r.*}:rooms:<room>` | sorted set: `<connectionId>\|<userId>`, all scores 0 | the room's partition |
 * | `<prefix>:{u.*}:connections` | sorted set: user and connection id, all scores 0; see `userEntryHead` | the user's partition |
 * | `<prefix>:{u.*}:online` | number of the partition's users | the user's partition |
 *
 * Channels: `<prefix>:{r.*}:room:<room>`, `<prefix>:{<serverId>}:server` and
 * `<prefix>:{p*}:probe:<id>`.
 */
export class Keys {
  readonly layout: string;
  readonly leases: string;
  readonly partitions: number;
  readonly #prefix: string;
  readonly #roomHeads: readonly string[];
  readonly #userKeys: readonly UserKeys[];

  constructor(prefix: string, partitions: number) {
    this.#prefix = prefix;
    this.partitions = partitions;
    this.layout = `${prefix}:layout`;
    this.leases = `${prefix}:{servers}`;
    this.#roomHeads = partitionTags("r", partitions).map((tag) => `${prefix}:{${tag}}:`);
    this.#userKeys = partitionTags("u", partitions).map((tag) => ({
      connections: `${prefix}:{${tag}}:connections`,
      online: `${prefix}:{${tag}}:online`,
    }));
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

  /** The keys of a user's partition: the same object for all of its users. */
  users(userId: string): UserKeys {
    const keys = this.#userKeys[partitionOf(userId, this.partitions)];
    if (keys === undefined) throw new RangeError("There is no such partition.");
    return keys;
  }

  /** One a partition. */
  onlineKeys(): string[] {
    return this.#userKeys.map(({ online }) => online);
  }

  channel(channel: Channel): string {
    return channel.kind === "room"
      ? `${this.#roomHead(channel.name)}room:${channel.name}`
      : `${this.#prefix}:{${channel.name}}:server`;
  }

  /** A channel for a store's own probes; each `n` lies in another slot of a Cluster. */
  probe(n: number, id: string): string {
    return `${this.#prefix}:{p${n}}:probe:${id}`;
  }

  #roomHead(room: string): string {
    return this.#roomHeads[partitionOf(room, this.partitions)] ?? "";
  }
}
