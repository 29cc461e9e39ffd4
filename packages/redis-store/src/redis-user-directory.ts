import type { Lease, ReapClaim, UserConnection, UserDirectory, UserUpkeep } from "@cm/protocol";
import { groupBy, inChunks } from "./batches.js";
import { allOf, type Commands } from "./commands.js";
import type { Keys } from "./keys.js";
import { holderOfConnection, isOwn, requireOwn, requireWritten } from "./lease-fence.js";
import type { Living } from "./living.js";
import { type UserEntries, userAdd, userRemove, userRenew } from "./projection-scripts.js";
import { toStrings } from "./script.js";

/** What the directory needs. */
export interface RedisUserDirectoryParts {
  readonly commands: Commands;
  readonly keys: Keys;
  readonly living: Living;
  readonly connectionTtlMs: number;
}

/**
 * The connections of a partition's users in one sorted set, ordered by user, so that a
 * user's are a range. A key for each user would cost more memory, most of it for the key;
 * one text for each user would make a user with many connections slow for everybody.
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
    const head = userEntryHead(userId);
    const range = [keys.users(userId).connections, `[${head}`, `(${head}${AFTER_CONNECTION_IDS}`, "BYLEX"];
    const [holders, reply] = await Promise.all([living.all(), commands.send("zrange", range)]);
    const lives = new Set(holders);
    return toStrings(reply)
      .map((entry) => entry.slice(head.length))
      .filter((connectionId) => lives.has(holderOfConnection(connectionId)));
  }

  async countOnline(): Promise<number> {
    const counts = await allOf(this.#parts.keys.onlineKeys().map((key) => this.#parts.commands.count("get", [key])));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async renew(lease: Lease, userIds: readonly string[]): Promise<void> {
    const { commands, keys, connectionTtlMs: ttlMs } = this.#parts;
    const partitions = new Set(userIds.map((userId) => keys.users(userId)));
    const calls = [...partitions].map((partition) =>
      commands.run(userRenew, { ...partition, fenceMs: lease.expiresAtMs, ttlMs }),
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
    return [...groupBy(connections, ({ userId }) => keys.users(userId))].flatMap(([partition, group]) =>
      inChunks(group).map((chunk) => {
        const users = new Map<string, string[]>();
        for (const [userId, own] of groupBy(chunk, (connection) => connection.userId)) {
          users.set(
            userEntryHead(userId),
            own.map(({ connectionId }) => connectionId),
          );
        }
        return { ...partition, users };
      }),
    );
  }
}

/** The first character that no connection id has, and none after it. */
const AFTER_CONNECTION_IDS = "{";

/**
 * What the entries of a user begin with: the length of the user's name in bytes, as two
 * hexadecimal digits, and the name. Without the length, the entries of `ann` and of a
 * user whose name goes on like a connection id could not be told apart.
 */
function userEntryHead(userId: string): string {
  return Buffer.byteLength(userId).toString(16).padStart(2, "0") + userId;
}
