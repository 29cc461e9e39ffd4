import {
  type ConnectionRecord,
  type ConnectionRegistry,
  type ConnectionUpkeep,
  type Lease,
  parseConnectionId,
  type ReapClaim,
  requireConnectionId,
} from "@cm/protocol";
import { inChunks, numbered } from "../client/batches.js";
import type { Commands } from "../client/commands.js";
import type { Keys } from "../keys/keys.js";
import { allWritten, holderOf, isOwn, requireOwn } from "../servers/lease-fence.js";
import type { Living } from "../servers/living-servers.js";
import {
  connectionClear,
  connectionPut,
  connectionRemove,
  connectionRenew,
  connectionShelf,
} from "./connection-scripts.js";
import { connectionIdOf, decodeRecord, encodeRecord, fieldOf } from "./record-codec.js";

/** What the registry needs. */
export interface RedisConnectionRegistryParts {
  readonly commands: Commands;
  readonly keys: Keys;
  readonly living: Living;
  readonly connectionTtlMs: number;
}

/** Records as fields of their owner's shelves, hashes that are small enough to stay packed. */
export class RedisConnectionRegistry implements ConnectionRegistry, ConnectionUpkeep {
  readonly #parts: RedisConnectionRegistryParts;

  constructor(parts: RedisConnectionRegistryParts) {
    this.#parts = parts;
  }

  async put(lease: Lease, records: readonly ConnectionRecord[]): Promise<void> {
    for (const { connectionId } of records) requireOwn(lease, connectionId);
    const { commands, connectionTtlMs } = this.#parts;
    const calls = inChunks(records).map((chunk) => {
      const { shelves, numberOf } = this.#shelvesOf(
        lease.serverId,
        chunk.map(({ connectionId }) => connectionId),
      );
      const entries = chunk.map((record) => ({
        shelf: numberOf(record.connectionId),
        field: fieldOf(record.connectionId),
        value: encodeRecord(record),
      }));
      return commands.run(connectionPut, { fenceMs: lease.expiresAtMs, ttlMs: connectionTtlMs, shelves, entries });
    });
    await allWritten(calls, lease);
  }

  async remove(lease: Lease, connectionIds: readonly string[]): Promise<void> {
    const own = connectionIds.filter((connectionId) => isOwn(lease, connectionId));
    const calls = inChunks(own).map((chunk) => {
      const { shelves, numberOf } = this.#shelvesOf(lease.serverId, chunk);
      const entries = chunk.map((connectionId) => ({ shelf: numberOf(connectionId), field: fieldOf(connectionId) }));
      return this.#parts.commands.run(connectionRemove, { fenceMs: lease.expiresAtMs, shelves, entries });
    });
    await allWritten(calls, lease);
  }

  async get(connectionId: string): Promise<ConnectionRecord | undefined> {
    const id = parseConnectionId(connectionId);
    if (!id.ok) return undefined;
    const { commands, keys, living } = this.#parts;
    const { serverId, shelf } = id.value;
    const [lives, value] = await Promise.all([
      living.includes(holderOf(id.value)),
      commands.send("hget", [keys.shelf(serverId, shelf), fieldOf(connectionId)]),
    ]);
    return lives && typeof value === "string" ? decodeRecord(connectionId, value) : undefined;
  }

  async renew(lease: Lease, fromShelf: number, toShelf: number): Promise<void> {
    const { commands, keys, connectionTtlMs: ttlMs } = this.#parts;
    const all: string[] = [];
    for (let shelf = fromShelf; shelf < toShelf; shelf++) all.push(keys.shelf(lease.serverId, shelf));
    const calls = inChunks(all).map((shelves) =>
      commands.run(connectionRenew, { fenceMs: lease.expiresAtMs, shelves, ttlMs }),
    );
    await allWritten(calls, lease);
  }

  async held(right: Lease | ReapClaim, shelf: number): Promise<ConnectionRecord[]> {
    const { commands, keys } = this.#parts;
    const reply = await commands.run(connectionShelf, { shelf: keys.shelf(right.serverId, shelf) });
    const records: ConnectionRecord[] = [];
    for (let i = 0; i + 1 < reply.length; i += 2) {
      const connectionId = connectionIdOf(right.serverId, reply[i] ?? "");
      if (connectionId === undefined || !isOwn(right, connectionId)) continue;
      const record = decodeRecord(connectionId, reply[i + 1] ?? "");
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

  /** The keys that these connections lie under, and which of them each one does. */
  #shelvesOf(
    serverId: string,
    connectionIds: readonly string[],
  ): { readonly shelves: string[]; readonly numberOf: (connectionId: string) => number } {
    const shelfOf = (connectionId: string) => this.#parts.keys.shelf(serverId, requireConnectionId(connectionId).shelf);
    const numbers = numbered(connectionIds.map(shelfOf));
    return { shelves: [...numbers.keys()], numberOf: (connectionId) => numbers.get(shelfOf(connectionId)) ?? 0 };
  }
}
