import type {
  AddOptions,
  Lease,
  Page,
  PageRequest,
  PartitionReconciliation,
  ReapClaim,
  RemoveOptions,
  StatesOptions,
  UserConnection,
  UserDirectory,
  UserState,
} from "@cm/protocol";
import { CmError } from "@cm/protocol";
import { groupBy, inChunks } from "../commands/argument-batches.js";
import { requireDurationOrNone } from "../commands/duration-check.js";
import { allOf, type Commands } from "../commands/redis-commands.js";
import { versionTtlMs } from "../keys/key-lifetimes.js";
import type { Keys } from "../keys/key-names.js";
import { reconcileUsers } from "../projection/partition-reconciliation.js";
import { allWritten, holderOf, isOwn, requireOwn } from "../servers/lease-holders.js";
import type { LiveServers } from "../servers/live-servers.js";
import { userEntryHead } from "./user-entry.js";
import { UserReader } from "./user-reader.js";
import {
  type UserEntry,
  type UserKeys,
  type UserWrite,
  userAdd,
  userRemove,
  userRenew,
  userSettle,
  userUpdate,
} from "./user-scripts.js";

/**
 * Maximum number of changes that one script call makes and announces: two or three milliseconds of Redis's
 * time.
 */
const CHANGES_MAX = 250;

/** Dependencies and settings of the directory. */
export interface RedisUserDirectoryParts {
  readonly commands: Commands;
  readonly keys: Keys;
  readonly living: LiveServers;
  readonly connectionTtlMs: number;
  readonly lastSeenTtlMs: number;
  /** The command that publishes presence changes. */
  readonly publishCommand: string;
}

/**
 * Stores the connections of a partition's users in one sorted set, ordered by user, so that a user's
 * connections are one range. One key per user would cost more memory, most of it for the key; one string per
 * user would make a user with many connections slow for all clients.
 */
export class RedisUserDirectory implements UserDirectory {
  readonly #parts: RedisUserDirectoryParts;
  readonly #reader: UserReader;
  readonly #versionTtlMs: number;

  constructor(parts: RedisUserDirectoryParts) {
    this.#parts = parts;
    this.#reader = new UserReader(parts);
    this.#versionTtlMs = versionTtlMs(parts);
  }

  async add(
    lease: Lease,
    connections: readonly UserConnection[],
    { quiet = false, maxPerUser = 0 }: AddOptions = {},
  ): Promise<void> {
    for (const { connectionId } of connections) requireOwn(lease, connectionId);
    const { commands, connectionTtlMs: ttlMs } = this.#parts;
    const fenceMs = lease.expiresAtMs;
    const calls = this.#batches(connections).map(async ({ keys, entries }) => {
      const input = { ...this.#write(keys), fenceMs, ttlMs, quiet, maxPerUser, users: byHead(entries) };
      const outcome = await commands.run(userAdd, input);
      if (outcome === "too-many") throw new CmError("connections-limit", "The user has reached its connection limit.");
      return outcome === "added";
    });
    await allWritten(calls, lease);
  }

  async update(lease: Lease, connections: readonly UserConnection[]): Promise<void> {
    const own = connections.filter(({ connectionId }) => isOwn(lease, connectionId));
    const { commands, connectionTtlMs: ttlMs } = this.#parts;
    const calls = this.#batches(own).map(({ keys, entries }) =>
      commands.run(userUpdate, { ...this.#write(keys), fenceMs: lease.expiresAtMs, ttlMs, entries }),
    );
    await allWritten(calls, lease);
  }

  async remove(lease: Lease, connections: readonly UserConnection[], { graceMs }: RemoveOptions): Promise<void> {
    requireDurationOrNone(graceMs, "graceMs");
    await allWritten(this.#remove(lease, connections, Math.ceil(graceMs)), lease);
  }

  async states(userIds: readonly string[], options?: StatesOptions): Promise<UserState[]> {
    return this.#reader.states(userIds, options);
  }

  async online(page: PageRequest, partition?: number): Promise<Page<UserState>> {
    return this.#reader.online(page, partition);
  }

  async renew(lease: Lease, userIds: readonly string[]): Promise<void> {
    const { commands, keys, connectionTtlMs: ttlMs } = this.#parts;
    const partitions = new Set(userIds.map((userId) => keys.users(userId)));
    const calls = [...partitions].map((partition) =>
      commands.run(userRenew, { ...partition, fenceMs: lease.expiresAtMs, ttlMs }),
    );
    await allWritten(calls, lease);
  }

  /** Does nothing if the claim is no longer held. */
  async evict(claim: ReapClaim, connections: readonly UserConnection[]): Promise<void> {
    await allOf(this.#remove(claim, connections, 0));
  }

  async settle(partitions: readonly number[]): Promise<number | undefined> {
    const all = [...new Set(partitions)].map((partition) => this.#parts.keys.userPartition(partition));
    const left = await allOf(all.map((keys) => this.#settlePartition(keys)));
    const running = left.filter((ms) => ms !== undefined);
    return running.length === 0 ? undefined : Math.min(...running);
  }

  async held(right: Lease | ReapClaim, partition: number): Promise<UserConnection[]> {
    return this.#reader.held(holderOf(right), partition);
  }

  async reconcile(partition: number): Promise<PartitionReconciliation> {
    return reconcileUsers(this.#parts, partition);
  }

  async #settlePartition(keys: UserKeys): Promise<number | undefined> {
    const input = { ...this.#write(keys), most: CHANGES_MAX, seenTtlMs: this.#parts.lastSeenTtlMs };
    for (;;) {
      const leftMs = await this.#parts.commands.run(userSettle, input);
      if (leftMs !== 0) return leftMs < 0 ? undefined : leftMs;
    }
  }

  #remove(right: Lease | ReapClaim, connections: readonly UserConnection[], graceMs: number): Promise<boolean>[] {
    const own = connections.filter(({ connectionId }) => isOwn(right, connectionId));
    const { commands, connectionTtlMs: ttlMs, lastSeenTtlMs: seenTtlMs } = this.#parts;
    const fenceMs = right.expiresAtMs;
    return this.#batches(own).map(({ keys, entries }) =>
      commands.run(userRemove, {
        ...this.#write(keys),
        fenceMs,
        ttlMs,
        graceMs,
        seenTtlMs,
        users: byHead(entries),
      }),
    );
  }

  #write(keys: UserKeys): UserWrite {
    return { ...keys, publishCommand: this.#parts.publishCommand, versionTtlMs: this.#versionTtlMs };
  }

  /** Splits connections into one batch per partition, and into more if there are many. */
  #batches(
    connections: readonly UserConnection[],
  ): { readonly keys: UserKeys; readonly entries: readonly UserEntry[] }[] {
    return [...groupBy(connections, ({ userId }) => this.#parts.keys.users(userId))].flatMap(([keys, group]) =>
      inChunks(group.map(entryOf), CHANGES_MAX).map((entries) => ({ keys, entries })),
    );
  }
}

function entryOf({ userId, connectionId, metadata = "" }: UserConnection): UserEntry {
  return { head: userEntryHead(userId), connectionId, metadata };
}

function byHead(entries: readonly UserEntry[]): Map<string, UserEntry[]> {
  return groupBy(entries, ({ head }) => head);
}
