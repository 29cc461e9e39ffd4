import type { Lease, ReapClaim, UserConnection, UserDirectory, UserUpkeep } from "@cm/protocol";
import { groupBy, inChunks, numbered } from "./batches.js";
import { allOf, type Commands } from "./commands.js";
import type { Keys } from "./keys.js";
import { holderOfConnection, isOwn, requireOwn, requireWritten } from "./lease-fence.js";
import type { Living } from "./living.js";
import { indexRenew, type UserEntries, userAdd, userRemove } from "./projection-scripts.js";
import { toStrings } from "./script.js";

/** What the directory needs. */
export interface RedisUserDirectoryParts {
  readonly commands: Commands;
  readonly keys: Keys;
  readonly living: Living;
  readonly connectionTtlMs: number;
}

/** Each user's connections as a hash, and a set of those online for each partition. */
export class RedisUserDirectory implements UserDirectory, UserUpkeep {
  readonly #parts: RedisUserDirectoryParts;

  constructor(parts: RedisUserDirectoryParts) {
    this.#parts = parts;
  }

  async add(lease: Lease, connections: readonly UserConnection[]): Promise<void> {
    for (const { connectionId } of connections) requireOwn(lease, connectionId);
    const { commands, connectionTtlMs: ttlMs } = this.#parts;
    const calls = this.#batches(connections).map((batch) =>
      commands.run(userAdd, { ...batch, fenceMs: lease.expiresAtMs, ttlMs }),
    );
    requireWritten(await allOf(calls), lease);
  }

  async remove(lease: Lease, connections: readonly UserConnection[]): Promise<void> {
    requireWritten(await this.#remove(lease, connections), lease);
  }

  async connectionsOf(userId: string): Promise<string[]> {
    const { commands, keys, living } = this.#parts;
    const [holders, reply] = await Promise.all([living.all(), commands.send("hkeys", [keys.user(userId)])]);
    const lives = new Set(holders);
    return toStrings(reply).filter((connectionId) => lives.has(holderOfConnection(connectionId)));
  }

  async countOnline(): Promise<number> {
    const sizes = await allOf(this.#parts.keys.userIndexes().map((key) => this.#parts.commands.send("scard", [key])));
    return sizes.reduce<number>((sum, size) => sum + Number(size), 0);
  }

  async renew(lease: Lease, userIds: readonly string[]): Promise<void> {
    const { commands, keys, connectionTtlMs: ttlMs } = this.#parts;
    const calls = [...groupBy(userIds, (userId) => keys.userIndex(userId))].flatMap(([index, group]) =>
      inChunks(group).map((chunk) => {
        const listed = chunk.map((userId) => ({ name: userId, key: keys.user(userId) }));
        return commands.run(indexRenew, { fenceMs: lease.expiresAtMs, index, ttlMs, listed });
      }),
    );
    requireWritten(await allOf(calls), lease);
  }

  /** Does nothing where the claim is no longer held. */
  async evict(claim: ReapClaim, connections: readonly UserConnection[]): Promise<void> {
    await this.#remove(claim, connections);
  }

  async #remove(right: Lease | ReapClaim, connections: readonly UserConnection[]): Promise<boolean[]> {
    const own = connections.filter(({ connectionId }) => isOwn(right, connectionId));
    const calls = this.#batches(own).map((batch) =>
      this.#parts.commands.run(userRemove, { ...batch, fenceMs: right.expiresAtMs }),
    );
    return allOf(calls);
  }

  /** One for each partition that is touched, and more where one is large. */
  #batches(connections: readonly UserConnection[]): UserEntries[] {
    const { keys } = this.#parts;
    return [...groupBy(connections, ({ userId }) => keys.userIndex(userId))].flatMap(([index, group]) =>
      inChunks(group).map((chunk) => {
        const numbers = numbered(chunk.map(({ userId }) => userId));
        return {
          index,
          users: [...numbers.keys()].map((userId) => ({ userId, key: keys.user(userId) })),
          entries: chunk.map(({ userId, connectionId }) => ({ user: numbers.get(userId) ?? 0, connectionId })),
        };
      }),
    );
  }
}
