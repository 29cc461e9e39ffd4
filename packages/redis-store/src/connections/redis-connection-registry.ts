import {
  type ConnectionRecord,
  type ConnectionRegistry,
  type Lease,
  type PutOptions,
  parseConnectionId,
  type ReapClaim,
  type RecordRemoval,
  type RenewedParts,
} from "@cm/protocol";
import { groupBy, inChunks, numbered } from "../commands/argument-batches.js";
import type { Commands } from "../commands/redis-commands.js";
import type { Keys } from "../keys/key-names.js";
import { allWritten, holderOf, ownParts, requireOwn } from "../servers/lease-holders.js";
import type { LiveServers } from "../servers/live-servers.js";
import {
  connectionIdOf,
  decodePlace,
  decodeRecord,
  encodeRecord,
  fieldOf,
  type Place,
} from "./connection-record-codec.js";
import {
  connectionClear,
  connectionGet,
  connectionPut,
  connectionRemove,
  connectionRenew,
  connectionShelf,
  type ShelfKeys,
} from "./connection-scripts.js";

/** Dependencies and settings of the registry. */
export interface RedisConnectionRegistryParts {
  readonly commands: Commands;
  readonly keys: Keys;
  readonly living: LiveServers;
  readonly connectionTtlMs: number;
}

/**
 * Stores records as fields of their owner's shelves, which are hashes small enough for Redis to store
 * compactly. Next to each shelf, a sorted set holds the rooms of its connections, ordered by connection:
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
    const placed = records.map((record) => ({ record, shelf: requireOwn(lease, record.connectionId).shelf }));
    const { commands, connectionTtlMs } = this.#parts;
    const calls = inChunks(placed).map((chunk) => {
      const { shelves, numberOf } = this.#shelvesOf(lease.serverId, chunk);
      const entries = chunk.map(({ record, shelf }) => ({
        shelf: numberOf(shelf),
        field: fieldOf(record.connectionId),
        value: encodeRecord(record),
        rooms: record.rooms,
      }));
      const fenceMs = lease.expiresAtMs;
      return commands.run(connectionPut, { fenceMs, ttlMs: connectionTtlMs, keepsRooms, shelves, entries });
    });
    await allWritten(calls, lease);
  }

  async remove(lease: Lease, connectionIds: readonly string[], { rooms }: RecordRemoval = {}): Promise<void> {
    if (rooms?.length === 0) return;
    const own = connectionIds.flatMap((connectionId) => {
      const parts = ownParts(lease, connectionId);
      return parts === undefined ? [] : { connectionId, shelf: parts.shelf };
    });
    const calls = inChunks(own).map((chunk) => {
      const { shelves, numberOf } = this.#shelvesOf(lease.serverId, chunk);
      const entries = chunk.map(({ connectionId, shelf }) => ({
        shelf: numberOf(shelf),
        field: fieldOf(connectionId),
      }));
      const fenceMs = lease.expiresAtMs;
      return this.#parts.commands.run(connectionRemove, { fenceMs, shelves, rooms: rooms ?? [], entries });
    });
    await allWritten(calls, lease);
  }

  async get(connectionId: string): Promise<ConnectionRecord | undefined> {
    const id = parseConnectionId(connectionId);
    if (!id.ok) return undefined;
    const { commands, keys, living } = this.#parts;
    const { serverId, shelf } = id.value;
    const [lives, [value, ...places]] = await Promise.all([
      living.includes(holderOf(id.value)),
      commands.run(connectionGet, { shelf: keys.shelf(serverId, shelf), field: fieldOf(connectionId) }),
    ]);
    return lives && value !== undefined ? decodeRecord(connectionId, value, decodePlaces(places)) : undefined;
  }

  async renew(lease: Lease, { from, to }: NonNullable<RenewedParts["shelves"]>): Promise<void> {
    const { commands, keys, connectionTtlMs: ttlMs } = this.#parts;
    const all: ShelfKeys[] = [];
    for (let shelf = from; shelf < to; shelf++) all.push(keys.shelf(lease.serverId, shelf));
    const calls = inChunks(all).map((shelves) =>
      commands.run(connectionRenew, { fenceMs: lease.expiresAtMs, shelves, ttlMs }),
    );
    await allWritten(calls, lease);
  }

  async held(right: Lease | ReapClaim, shelf: number): Promise<ConnectionRecord[]> {
    const { commands, keys } = this.#parts;
    const held = await commands.run(connectionShelf, { shelf: keys.shelf(right.serverId, shelf) });
    const places = groupBy(decodePlaces(held.places), ({ field }) => field);
    const holder = holderOf(right);
    const records: ConnectionRecord[] = [];
    for (let i = 0; i + 1 < held.records.length; i += 2) {
      const field = held.records[i] ?? "";
      const connectionId = connectionIdOf(right.serverId, field);
      // Keep only this incarnation's records. Incarnations have a fixed length, so none is a prefix of another.
      if (!connectionId?.startsWith(holder)) continue;
      const record = decodeRecord(connectionId, held.records[i + 1] ?? "", places.get(field) ?? []);
      if (record !== undefined) records.push(record);
    }
    return records;
  }

  async clearShelf(claim: ReapClaim, shelf: number): Promise<void> {
    const { commands, keys } = this.#parts;
    await commands.run(connectionClear, {
      fenceMs: claim.expiresAtMs,
      shelf: keys.shelf(claim.serverId, shelf),
    });
  }

  /** The distinct keys of the entries' shelves, and a function that returns the index of a shelf among them. */
  #shelvesOf(
    serverId: string,
    placed: readonly { readonly shelf: number }[],
  ): { readonly shelves: ShelfKeys[]; readonly numberOf: (shelf: number) => number } {
    const numbers = numbered(placed.map(({ shelf }) => shelf));
    return {
      shelves: [...numbers.keys()].map((shelf) => this.#parts.keys.shelf(serverId, shelf)),
      numberOf: (shelf) => numbers.get(shelf) ?? 0,
    };
  }
}

function decodePlaces(entries: readonly string[]): Place[] {
  return entries.flatMap((entry) => decodePlace(entry) ?? []);
}
