import {
  CmError,
  type ConnectionRecord,
  type Lease,
  type PutOptions,
  parseConnectionId,
  type ReapClaim,
  type RecordRemoval,
} from "@cm/protocol";
import type { Incarnation, ServerTable } from "../servers/server-table.js";

/** A record, and its rooms in the order in which the connection joined them. */
interface Entry {
  readonly head: Omit<ConnectionRecord, "rooms">;
  readonly rooms: Set<string>;
}

type Shelves = Map<number, Map<string, Entry>>;

/** The records of all connections, on their owners' shelves. */
export class ConnectionTable {
  readonly #servers: ServerTable;
  readonly #shelves = new Map<Incarnation, Shelves>();

  constructor(servers: ServerTable) {
    this.#servers = servers;
  }

  /** Number of servers that have records. */
  get size(): number {
    return this.#shelves.size;
  }

  put(lease: Lease, records: readonly ConnectionRecord[], { keepsRooms = false }: PutOptions = {}): void {
    const holder = this.#servers.holder(lease);
    const placed = records.map((record) => {
      const shelf = shelfOf(holder, record.connectionId);
      if (shelf === undefined) {
        throw new CmError("id-invalid", `${record.connectionId} is not a connection of server ${lease.serverId}.`);
      }
      const { rooms, ...head } = record;
      return { shelf, head: Object.freeze(head), rooms };
    });
    if (placed.length === 0) return;
    const shelves = this.#shelves.get(holder) ?? new Map<number, Map<string, Entry>>();
    this.#shelves.set(holder, shelves);
    for (const { shelf, head, rooms } of placed) {
      const row = shelves.get(shelf) ?? new Map<string, Entry>();
      shelves.set(shelf, row);
      const kept = (keepsRooms ? row.get(head.connectionId)?.rooms : undefined) ?? new Set<string>();
      for (const room of rooms) kept.add(room);
      row.set(head.connectionId, { head, rooms: kept });
    }
  }

  remove(lease: Lease, connectionIds: readonly string[], { rooms }: RecordRemoval = {}): void {
    const holder = this.#servers.holder(lease);
    for (const connectionId of connectionIds) {
      const shelf = shelfOf(holder, connectionId);
      const row = shelf === undefined ? undefined : this.#shelves.get(holder)?.get(shelf);
      if (shelf === undefined || row === undefined) continue;
      if (rooms !== undefined) {
        for (const room of rooms) row.get(connectionId)?.rooms.delete(room);
        continue;
      }
      row.delete(connectionId);
      if (row.size === 0) this.#drop(holder, shelf);
    }
  }

  get(connectionId: string): ConnectionRecord | undefined {
    const id = parseConnectionId(connectionId);
    if (!id.ok) return undefined;
    const holder = this.#servers.living(id.value.serverId, id.value.incarnation);
    const entry = holder && this.#shelves.get(holder)?.get(id.value.shelf)?.get(connectionId);
    return entry && recordOf(entry);
  }

  held(right: Lease | ReapClaim, shelf: number): ConnectionRecord[] {
    // Only leases have a token.
    const holder = "token" in right ? this.#servers.holder(right) : this.#servers.claimed(right);
    const row = holder && this.#shelves.get(holder)?.get(shelf);
    return row === undefined ? [] : [...row.values()].map(recordOf);
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

function recordOf({ head, rooms }: Entry): ConnectionRecord {
  return Object.freeze({ ...head, rooms: Object.freeze([...rooms]) });
}

/** The shelf of an owner's record; `undefined` if the connection id does not belong to the owner. */
function shelfOf(holder: Incarnation, connectionId: string): number | undefined {
  const id = parseConnectionId(connectionId);
  const own = id.ok && id.value.serverId === holder.serverId && id.value.incarnation === holder.incarnation;
  return own ? id.value.shelf : undefined;
}
