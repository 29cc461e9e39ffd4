import type { Lease, ReapClaim, UserConnection, UserDirectory, UserUpkeep } from "@cm/protocol";
import { groupBy, inChunks } from "./batches.js";
import { allOf, type Commands } from "./commands.js";
import type { Keys } from "./keys.js";
import { holderOfConnection, isOwn, requireOwn, requireWritten } from "./lease-fence.js";
import type { Living } from "./living.js";
import { type UserEntries, userAdd, userRemove, userRenew } from "./projection-scripts.js";

/** What the directory needs. */
export interface RedisUserDirectoryParts {
  readonly commands: Commands;
  readonly keys: Keys;
  readonly living: Living;
  readonly connectionTtlMs: number;
}

/**
 * Users as fields of one hash a partition, each with its connections as one text. A key
 * for each user would cost three times as much memory, most of it for the key.
 */
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
    const [holders, reply] = await Promise.all([living.all(), commands.send("hget", [keys.online(userId), userId])]);
    const lives = new Set(holders);
    const connectionIds = typeof reply === "string" ? reply.split(" ") : [];
    return connectionIds.filter((connectionId) => lives.has(holderOfConnection(connectionId)));
  }

  async countOnline(): Promise<number> {
    const sizes = await allOf(this.#parts.keys.onlineKeys().map((key) => this.#parts.commands.count("hlen", [key])));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  async renew(lease: Lease, userIds: readonly string[]): Promise<void> {
    const { commands, keys, connectionTtlMs: ttlMs } = this.#parts;
    const partitions = new Set(userIds.map((userId) => keys.online(userId)));
    const calls = [...partitions].map((online) =>
      commands.run(userRenew, { fenceMs: lease.expiresAtMs, online, ttlMs }),
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
    return [...groupBy(connections, ({ userId }) => keys.online(userId))].flatMap(([online, group]) =>
      inChunks(group).map((chunk) => {
        const users = new Map<string, string[]>();
        for (const [userId, own] of groupBy(chunk, (connection) => connection.userId)) {
          users.set(
            userId,
            own.map(({ connectionId }) => connectionId),
          );
        }
        return { online, users };
      }),
    );
  }
}
