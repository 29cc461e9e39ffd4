import { CmError, type ConnectionRecord, type Lease, parseConnectionId, type ReapClaim } from "@cm/protocol";
import type { Incarnation, ServerTable } from "./server-table.js";

type Shelves = Map<number, Map<string, ConnectionRecord>>;

/** The records of all connections, on the shelves of their owners. */
export class ConnectionTable {
  readonly #servers: ServerTable;
  readonly #shelves = new Map<Incarnation, Shelves>();

  constructor(servers: ServerTable) {
    this.#servers = servers;
  }

  /** How many servers have records here. */
  get size(): number {
    return this.#shelves.size;
  }

  put(lease: Lease, records: readonly ConnectionRecord[]): void {
    const holder = this.#servers.holder(lease);
    const placed = records.map((record) => {
      const shelf = shelfOf(holder, record.connectionId);
      if (shelf === undefined) {
        throw new CmError("id-invalid", `${record.connectionId} is no connection of server ${lease.serverId}.`);
      }
      return { shelf, record: Object.freeze({ ...record, rooms: Object.freeze([...record.rooms]) }) };
    });
    if (placed.length === 0) return;
    const shelves = this.#shelves.get(holder) ?? new Map<number, Map<string, ConnectionRecord>>();
    this.#shelves.set(holder, shelves);
    for (const { shelf, record } of placed) {
      const row = shelves.get(shelf);
      if (row === undefined) shelves.set(shelf, new Map([[record.connectionId, record]]));
      else row.set(record.connectionId, record);
    }
  }

  remove(lease: Lease, connectionIds: readonly string[]): void {
    const holder = this.#servers.holder(lease);
    for (const connectionId of connectionIds) {
      const shelf = shelfOf(holder, connectionId);
      const row = shelf === undefined ? undefined : this.#shelves.get(holder)?.get(shelf);
      if (shelf === undefined || row === undefined) continue;
      row.delete(connectionId);
      if (row.size === 0) this.#drop(holder, shelf);
    }
  }

  get(connectionId: string): ConnectionRecord | undefined {
    const id = parseConnectionId(connectionId);
    if (!id.ok) return undefined;
    const holder = this.#servers.living(id.value.serverId, id.value.incarnation);
    return holder && this.#shelves.get(holder)?.get(id.value.shelf)?.get(connectionId);
  }

  held(right: Lease | ReapClaim, shelf: number): ConnectionRecord[] {
    // Only leases have a token.
    const holder = "token" in right ? this.#servers.holder(right) : this.#servers.claimed(right);
    return [...((holder && this.#shelves.get(holder)?.get(shelf)?.values()) ?? [])];
  }

  clearShelf(claim: ReapClaim, shelf: number): void {
    const holder = this.#servers.claimed(claim);
    if (holder !== undefined) this.#drop(holder, shelf);
  }

  #drop(holder: Incarnation, shelf: number): void {
    const shelves = this.#shelves.get(holder);
    shelves?.delete(shelf);
    if (shelves?.size === 0) this.#shelves.delete(holder);
  }
}

/** Where a record of this owner lies; `undefined` where the id is not one of its own. */
function shelfOf(holder: Incarnation, connectionId: string): number | undefined {
  const id = parseConnectionId(connectionId);
  const own = id.ok && id.value.serverId === holder.serverId && id.value.incarnation === holder.incarnation;
  return own ? id.value.shelf : undefined;
}
