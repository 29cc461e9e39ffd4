import type {
  Eviction,
  Holdings,
  Lease,
  PartitionReconciliation,
  ProjectionUpkeep,
  ReapClaim,
  RenewedParts,
  RoomMember,
} from "@cm/protocol";
import { awaitAll } from "@cm/protocol/turns";
import type { RedisConnectionRegistry } from "../connections/redis-connection-registry.js";
import { isRetryable } from "../errors/store-error.js";
import type { RedisRoomDirectory } from "../rooms/redis-room-directory.js";
import type { RedisUserDirectory } from "../users/redis-user-directory.js";

/** The parts of the store that a server's projection consists of. */
export interface ProjectionParts {
  readonly connections: RedisConnectionRegistry;
  readonly rooms: RedisRoomDirectory;
  readonly users: RedisUserDirectory;
}

/** Upkeep of connection records, rooms and users, delegated to the part that stores them. */
export class RedisProjectionUpkeep implements ProjectionUpkeep {
  readonly #parts: ProjectionParts;
  readonly #readers: { readonly [K in keyof Holdings]: (right: Lease | ReapClaim, n: number) => Promise<Holdings[K]> };

  constructor(parts: ProjectionParts) {
    this.#parts = parts;
    const { connections, rooms, users } = parts;
    this.#readers = {
      records: (right, recordPartition) => connections.held(right, recordPartition),
      rooms: (right, partition) => rooms.held(right, partition),
      users: (right, partition) => users.held(right, partition),
    };
  }

  async renew(lease: Lease, { recordPartitions, rooms = [], users = [] }: RenewedParts): Promise<void> {
    await awaitAll(
      [
        this.#parts.connections.renew(lease, recordPartitions ?? { from: 0, to: 0 }),
        this.#parts.rooms.renew(lease, rooms),
        this.#parts.users.renew(lease, users),
      ],
      isRetryable,
    );
  }

  held<K extends keyof Holdings>(right: Lease | ReapClaim, kind: K, partition: number): Promise<Holdings[K]> {
    return this.#readers[kind](right, partition);
  }

  async evict(claim: ReapClaim, what: Eviction): Promise<readonly RoomMember[]> {
    const { connections, rooms, users } = this.#parts;
    if ("room" in what) return rooms.evict(claim, what.room);
    await ("users" in what
      ? users.evict(claim, what.users)
      : connections.clearRecordPartition(claim, what.recordPartition));
    return [];
  }

  endGracePeriods(partitions: readonly number[]): Promise<number | undefined> {
    return this.#parts.users.endGracePeriods(partitions);
  }

  reconcile(kind: "rooms" | "users", partition: number): Promise<PartitionReconciliation> {
    return this.#parts[kind].reconcile(partition);
  }
}
