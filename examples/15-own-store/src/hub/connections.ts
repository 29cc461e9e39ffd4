import {
  CmError,
  type ConnectionRecord,
  type Lease,
  type PutOptions,
  parseConnectionId,
  type ReapClaim,
  type RecordRemoval,
} from "@cm/protocol";
import { nameOf, type Servers } from "./servers.js";

/** The records of all connections, by owner and record partition. */
export class Connections {
  readonly #servers: Servers;
  readonly #records = new Map<string, Map<number, Map<string, ConnectionRecord>>>();

  constructor(servers: Servers) {
    this.#servers = servers;
  }

  /** Number of records. */
  get size(): number {
    let total = 0;
    for (const recordPartitions of this.#records.values())
      for (const recordPartition of recordPartitions.values()) total += recordPartition.size;
    return total;
  }

  put(lease: Lease, records: readonly ConnectionRecord[], { keepsRooms = false }: PutOptions = {}): void {
    const owner = this.#servers.owner(lease);
    const recordPartitions = records.map(({ connectionId }) => recordPartitionOf(owner, connectionId));
    // All or nothing: if one record belongs to another server, the call fails.
    if (recordPartitions.includes(undefined))
      throw new CmError("id-invalid", `There is a connection that is not of ${owner}.`);
    records.forEach((record, i) => {
      const recordPartition = this.#recordPartition(owner, recordPartitions[i] ?? 0);
      const kept = keepsRooms ? (recordPartition.get(record.connectionId)?.rooms ?? []) : [];
      recordPartition.set(record.connectionId, { ...record, rooms: [...new Set([...kept, ...record.rooms])] });
    });
  }

  remove(lease: Lease, connectionIds: readonly string[], { rooms }: RecordRemoval = {}): void {
    const owner = this.#servers.owner(lease);
    for (const connectionId of connectionIds) {
      const number = recordPartitionOf(owner, connectionId);
      const recordPartition = number === undefined ? undefined : this.#records.get(owner)?.get(number);
      const record = recordPartition?.get(connectionId);
      if (number === undefined || recordPartition === undefined || record === undefined) continue;
      if (rooms === undefined) recordPartition.delete(connectionId);
      else
        recordPartition.set(connectionId, { ...record, rooms: record.rooms.filter((room) => !rooms.includes(room)) });
      if (recordPartition.size === 0) this.#drop(owner, number);
    }
  }

  get(connectionId: string): ConnectionRecord | undefined {
    const id = parseConnectionId(connectionId);
    if (!id.ok) return undefined;
    const owner = nameOf(id.value);
    if (!this.#servers.lives(owner)) return undefined;
    return this.#records.get(owner)?.get(id.value.recordPartition)?.get(connectionId);
  }

  held(right: Lease | ReapClaim, recordPartition: number): ConnectionRecord[] {
    const owner = this.#servers.ownerBy(right);
    return owner === undefined ? [] : [...(this.#records.get(owner)?.get(recordPartition)?.values() ?? [])];
  }

  clearRecordPartition(claim: ReapClaim, recordPartition: number): void {
    const owner = this.#servers.ownerBy(claim);
    if (owner !== undefined) this.#drop(owner, recordPartition);
  }

  #recordPartition(owner: string, number: number): Map<string, ConnectionRecord> {
    const recordPartitions = this.#records.get(owner) ?? new Map<number, Map<string, ConnectionRecord>>();
    const recordPartition = recordPartitions.get(number) ?? new Map<string, ConnectionRecord>();
    this.#records.set(owner, recordPartitions.set(number, recordPartition));
    return recordPartition;
  }

  #drop(owner: string, recordPartition: number): void {
    const recordPartitions = this.#records.get(owner);
    recordPartitions?.delete(recordPartition);
    if (recordPartitions?.size === 0) this.#records.delete(owner);
  }
}

/** Returns the record partition of a connection; `undefined` if it has another owner or is not a connection id. */
function recordPartitionOf(owner: string, connectionId: string): number | undefined {
  const id = parseConnectionId(connectionId);
  return id.ok && nameOf(id.value) === owner ? id.value.recordPartition : undefined;
}
