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

/** The records of all connections, by owner and shelf. */
export class Connections {
  readonly #servers: Servers;
  readonly #records = new Map<string, Map<number, Map<string, ConnectionRecord>>>();

  constructor(servers: Servers) {
    this.#servers = servers;
  }

  /** How many records there are. */
  get size(): number {
    let total = 0;
    for (const shelves of this.#records.values()) for (const shelf of shelves.values()) total += shelf.size;
    return total;
  }

  put(lease: Lease, records: readonly ConnectionRecord[], { keepsRooms = false }: PutOptions = {}): void {
    const owner = this.#servers.owner(lease);
    const shelves = records.map(({ connectionId }) => shelfOf(owner, connectionId));
    // All or nothing: a record of another server refuses the call.
    if (shelves.includes(undefined)) throw new CmError("id-invalid", `There is a connection that is not of ${owner}.`);
    records.forEach((record, i) => {
      const shelf = this.#shelf(owner, shelves[i] ?? 0);
      const kept = keepsRooms ? (shelf.get(record.connectionId)?.rooms ?? []) : [];
      shelf.set(record.connectionId, { ...record, rooms: [...new Set([...kept, ...record.rooms])] });
    });
  }

  remove(lease: Lease, connectionIds: readonly string[], { rooms }: RecordRemoval = {}): void {
    const owner = this.#servers.owner(lease);
    for (const connectionId of connectionIds) {
      const number = shelfOf(owner, connectionId);
      const shelf = number === undefined ? undefined : this.#records.get(owner)?.get(number);
      const record = shelf?.get(connectionId);
      if (number === undefined || shelf === undefined || record === undefined) continue;
      if (rooms === undefined) shelf.delete(connectionId);
      else shelf.set(connectionId, { ...record, rooms: record.rooms.filter((room) => !rooms.includes(room)) });
      if (shelf.size === 0) this.#drop(owner, number);
    }
  }

  get(connectionId: string): ConnectionRecord | undefined {
    const id = parseConnectionId(connectionId);
    if (!id.ok) return undefined;
    const owner = nameOf(id.value);
    if (!this.#servers.lives(owner)) return undefined;
    return this.#records.get(owner)?.get(id.value.shelf)?.get(connectionId);
  }

  held(right: Lease | ReapClaim, shelf: number): ConnectionRecord[] {
    const owner = this.#servers.ownerBy(right);
    return owner === undefined ? [] : [...(this.#records.get(owner)?.get(shelf)?.values() ?? [])];
  }

  clearShelf(claim: ReapClaim, shelf: number): void {
    const owner = this.#servers.ownerBy(claim);
    if (owner !== undefined) this.#drop(owner, shelf);
  }

  #shelf(owner: string, number: number): Map<string, ConnectionRecord> {
    const shelves = this.#records.get(owner) ?? new Map<number, Map<string, ConnectionRecord>>();
    const shelf = shelves.get(number) ?? new Map<string, ConnectionRecord>();
    this.#records.set(owner, shelves.set(number, shelf));
    return shelf;
  }

  #drop(owner: string, shelf: number): void {
    const shelves = this.#records.get(owner);
    shelves?.delete(shelf);
    if (shelves?.size === 0) this.#records.delete(owner);
  }
}

/** The shelf that a connection of this owner lies on; `undefined` where it is another's, or no id. */
function shelfOf(owner: string, connectionId: string): number | undefined {
  const id = parseConnectionId(connectionId);
  return id.ok && nameOf(id.value) === owner ? id.value.shelf : undefined;
}
