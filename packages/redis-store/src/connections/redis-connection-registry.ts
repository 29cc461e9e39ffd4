import {
  type ConnectionRecord,
  type ConnectionRegistry,
  holderName,
  type Lease,
  type PutOptions,
  parseConnectionId,
  type ReapClaim,
  type RecordRemoval,
  type RenewedParts,
} from "@cm/protocol";
import { groupBy, inChunks, inWeightedChunks } from "../commands/argument-batches.js";
import type { Commands } from "../commands/redis-commands.js";
import type { Keys } from "../keys/key-names.js";
import { allWritten, ownParts, requireOwn } from "../servers/lease-holders.js";
import type { LiveServers } from "../servers/live-servers.js";
import {
  connectionIdOf,
  decodeJoinedRoom,
  decodeRecord,
  encodeRecord,
  fieldOf,
  type JoinedRoom,
} from "./connection-record-codec.js";
import {
  connectionClear,
  connectionGet,
  connectionPartition,
  connectionPut,
  connectionRemove,
  connectionRenew,
  type RecordPartitionKeys,
} from "./connection-scripts.js";

/** Dependencies and settings of the registry. */
export interface RedisConnectionRegistryParts {
  readonly commands: Commands;
  readonly keys: Keys;
  readonly living: LiveServers;
  readonly connectionTtlMs: number;
}

/**
 * Stores records as fields of their owner's record partitions, which are hashes small enough for Redis to store
 * compactly. Next to each record partition, a sorted set holds the rooms of its connections, ordered by connection:
 * joining a room adds one entry, and a connection's rooms are one range.
 */
export class RedisConnectionRegistry implements ConnectionRegistry {
  readonly #parts: RedisConnectionRegistryParts;

  constructor(parts: RedisConnectionRegistryParts) {
    this.#parts = parts;
  }

  async put(
    lease: Lease,
    records: readonly ConnectionRecord[],
    { keepsRooms = false }: PutOptions = {},
  ): Promise<void> {
    const placed = records.map((record) => ({
      record,
      recordPartition: requireOwn(lease, record.connectionId).recordPartition,
    }));
    const { commands, connectionTtlMs } = this.#parts;
    // The script writes each room of a record as well.
    const calls = inWeightedChunks(placed, ({ record }) => 1 + record.rooms.length).map((chunk) => {
      const { recordPartitions, numberOf } = this.#recordPartitionsOf(lease.serverId);
      const entries = chunk.map(({ record, recordPartition }) => ({
        recordPartition: numberOf(recordPartition),
        field: fieldOf(record.connectionId),
        value: encodeRecord(record),
        rooms: record.rooms,
      }));
      const fenceMs = lease.expiresAtMs;
      return commands.run(connectionPut, { fenceMs, ttlMs: connectionTtlMs, keepsRooms, recordPartitions, entries });
    });
    await allWritten(calls, lease);
  }

  async remove(lease: Lease, connectionIds: readonly string[], { rooms }: RecordRemoval = {}): Promise<void> {
    if (rooms?.length === 0) return;
    const own = connectionIds.flatMap((connectionId) => {
      const parts = ownParts(lease, connectionId);
      return parts === undefined ? [] : { connectionId, recordPartition: parts.recordPartition };
    });
    const remove = (chunk: typeof own, some: readonly string[]): Promise<boolean> => {
      const { recordPartitions, numberOf } = this.#recordPartitionsOf(lease.serverId);
      const entries = chunk.map(({ connectionId, recordPartition }) => ({
        recordPartition: numberOf(recordPartition),
        field: fieldOf(connectionId),
      }));
      const fenceMs = lease.expiresAtMs;
      return this.#parts.commands.run(connectionRemove, { fenceMs, recordPartitions, rooms: some, entries });
    };
    const calls =
      rooms === undefined
        ? inChunks(own).map((chunk) => remove(chunk, []))
        : inChunks(rooms).flatMap((some) =>
            inWeightedChunks(own, () => some.length).map((chunk) => remove(chunk, some)),
          );
    await allWritten(calls, lease);
  }

  async get(connectionId: string): Promise<ConnectionRecord | undefined> {
    const id = parseConnectionId(connectionId);
    if (!id.ok) return undefined;
    const { commands, keys, living } = this.#parts;
    const { serverId, recordPartition } = id.value;
    const [lives, [value, ...joined]] = await Promise.all([
      living.includes(holderName(id.value)),
      commands.run(connectionGet, {
        recordPartition: keys.recordPartition(serverId, recordPartition),
        field: fieldOf(connectionId),
      }),
    ]);
    return lives && value !== undefined ? decodeRecord(connectionId, value, decodeJoinedRooms(joined)) : undefined;
  }

  async renew(lease: Lease, { from, to }: NonNullable<RenewedParts["recordPartitions"]>): Promise<void> {
    const { commands, keys, connectionTtlMs: ttlMs } = this.#parts;
    const all: RecordPartitionKeys[] = [];
    for (let recordPartition = from; recordPartition < to; recordPartition++)
      all.push(keys.recordPartition(lease.serverId, recordPartition));
    const calls = inChunks(all).map((recordPartitions) =>
      commands.run(connectionRenew, { fenceMs: lease.expiresAtMs, recordPartitions, ttlMs }),
    );
    await allWritten(calls, lease);
  }

  async held(right: Lease | ReapClaim, recordPartition: number): Promise<ConnectionRecord[]> {
    const { commands, keys } = this.#parts;
    const held = await commands.run(connectionPartition, {
      recordPartition: keys.recordPartition(right.serverId, recordPartition),
    });
    const joined = groupBy(decodeJoinedRooms(held.joined), ({ field }) => field);
    const holder = holderName(right);
    const records: ConnectionRecord[] = [];
    for (let i = 0; i + 1 < held.records.length; i += 2) {
      const field = held.records[i] ?? "";
      const connectionId = connectionIdOf(right.serverId, field);
      // Keep only this incarnation's records. Incarnations have a fixed length, so none is a prefix of another.
      if (!connectionId?.startsWith(holder)) continue;
      const record = decodeRecord(connectionId, held.records[i + 1] ?? "", joined.get(field) ?? []);
      if (record !== undefined) records.push(record);
    }
    return records;
  }

  async clearRecordPartition(claim: ReapClaim, recordPartition: number): Promise<void> {
    const { commands, keys } = this.#parts;
    await commands.run(connectionClear, {
      fenceMs: claim.expiresAtMs,
      recordPartition: keys.recordPartition(claim.serverId, recordPartition),
    });
  }

  /**
   * Returns a function that numbers record partitions from 1, in the order in which they are first asked for, and the
   * keys of those record partitions.
   */
  #recordPartitionsOf(serverId: string): {
    readonly recordPartitions: RecordPartitionKeys[];
    readonly numberOf: (recordPartition: number) => number;
  } {
    const recordPartitions: RecordPartitionKeys[] = [];
    const numbers = new Map<number, number>();
    const numberOf = (recordPartition: number): number => {
      let number = numbers.get(recordPartition);
      if (number === undefined) {
        number = recordPartitions.push(this.#parts.keys.recordPartition(serverId, recordPartition));
        numbers.set(recordPartition, number);
      }
      return number;
    };
    return { recordPartitions, numberOf };
  }
}

function decodeJoinedRooms(entries: readonly string[]): JoinedRoom[] {
  return entries.flatMap((entry) => decodeJoinedRoom(entry) ?? []);
}
