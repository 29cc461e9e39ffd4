import {
  type ConnectionRecord,
  type Lease,
  type PutOptions,
  parseConnectionId,
  type ReapClaim,
  type RecordRemoval,
} from "@cm/protocol";
import { foreignConnection } from "@cm/protocol/store";
import type { Incarnation, ServerTable } from "../servers/server-table.js";

/** A record, and its rooms in the order in which the connection joined them. */
interface Entry {
  readonly head: Omit<ConnectionRecord, "rooms">;
  readonly rooms: Set<string>;
}

type RecordPartitions = Map<number, Map<string, Entry>>;

/** The records of all connections, in their owners' record partitions. */
export class ConnectionTable {
  readonly #servers: ServerTable;
  readonly #recordPartitions = new Map<Incarnation, RecordPartitions>();

  constructor(servers: ServerTable) {
    this.#servers = servers;
  }

  /** Number of servers that have records. */
  get size(): number {
    return this.#recordPartitions.size;
  }

  put(lease: Lease, records: readonly ConnectionRecord[], { keepsRooms = false }: PutOptions = {}): void {
    const holder = this.#servers.holder(lease);
    const placed = records.map((record) => {
      const recordPartition = recordPartitionOf(holder, record.connectionId);
      if (recordPartition === undefined) {
        throw foreignConnection(record.connectionId, lease.serverId);
      }
      const { rooms, ...head } = record;
      return { recordPartition, head: Object.freeze(head), rooms };
    });
    if (placed.length === 0) return;
    const recordPartitions = this.#recordPartitions.get(holder) ?? new Map<number, Map<string, Entry>>();
    this.#recordPartitions.set(holder, recordPartitions);
    for (const { recordPartition, head, rooms } of placed) {
      const row = recordPartitions.get(recordPartition) ?? new Map<string, Entry>();
      recordPartitions.set(recordPartition, row);
      const kept = (keepsRooms ? row.get(head.connectionId)?.rooms : undefined) ?? new Set<string>();
      for (const room of rooms) kept.add(room);
      row.set(head.connectionId, { head, rooms: kept });
    }
  }

  remove(lease: Lease, connectionIds: readonly string[], { rooms }: RecordRemoval = {}): void {
    const holder = this.#servers.holder(lease);
    for (const connectionId of connectionIds) {
      const recordPartition = recordPartitionOf(holder, connectionId);
      const row = recordPartition === undefined ? undefined : this.#recordPartitions.get(holder)?.get(recordPartition);
      if (recordPartition === undefined || row === undefined) continue;
      if (rooms !== undefined) {
        for (const room of rooms) row.get(connectionId)?.rooms.delete(room);
        continue;
      }
      row.delete(connectionId);
      if (row.size === 0) this.#drop(holder, recordPartition);
    }
  }

  get(connectionId: string): ConnectionRecord | undefined {
    const id = parseConnectionId(connectionId);
    if (!id.ok) return undefined;
    const holder = this.#servers.living(id.value.serverId, id.value.incarnation);
    const entry = holder && this.#recordPartitions.get(holder)?.get(id.value.recordPartition)?.get(connectionId);
    return entry && recordOf(entry);
  }

  held(right: Lease | ReapClaim, recordPartition: number): ConnectionRecord[] {
    // Only leases have a token.
    const holder = "token" in right ? this.#servers.holder(right) : this.#servers.claimed(right);
    const row = holder && this.#recordPartitions.get(holder)?.get(recordPartition);
    return row === undefined ? [] : [...row.values()].map(recordOf);
  }

  clearRecordPartition(claim: ReapClaim, recordPartition: number): void {
    const holder = this.#servers.claimed(claim);
    if (holder !== undefined) this.#drop(holder, recordPartition);
  }

  #drop(holder: Incarnation, recordPartition: number): void {
    const recordPartitions = this.#recordPartitions.get(holder);
    recordPartitions?.delete(recordPartition);
    if (recordPartitions?.size === 0) this.#recordPartitions.delete(holder);
  }
}

function recordOf({ head, rooms }: Entry): ConnectionRecord {
  return Object.freeze({ ...head, rooms: Object.freeze([...rooms]) });
}

/** The record partition of an owner's record; `undefined` if the connection id does not belong to the owner. */
function recordPartitionOf(holder: Incarnation, connectionId: string): number | undefined {
  const id = parseConnectionId(connectionId);
  const own = id.ok && id.value.serverId === holder.serverId && id.value.incarnation === holder.incarnation;
  return own ? id.value.recordPartition : undefined;
}
