import {
  type AddOptions,
  holderName,
  type Lease,
  type Page,
  type PageRequest,
  type PartitionReconciliation,
  type ReapClaim,
  type RemoveOptions,
  type StatesOptions,
  type UserConnection,
  type UserDirectory,
  type UserState,
} from "@cm/protocol";
import { requireDurationOrNone, tooManyConnections } from "@cm/protocol/store";
import { awaitAll } from "@cm/protocol/turns";
import { groupBy, inChunks } from "../commands/argument-batches.js";
import type { Commands } from "../commands/redis-commands.js";
import { isRetryable } from "../errors/store-error.js";
import { versionTtlMs } from "../keys/key-lifetimes.js";
import type { Keys } from "../keys/key-names.js";
import { reconcileUsers } from "../projection/partition-reconciliation.js";
import { allWritten, isOwn, requireOwn } from "../servers/lease-holders.js";
import type { LiveServers } from "../servers/live-servers.js";
import { userEntryHead } from "./user-entry.js";
import { UserReader } from "./user-reader.js";
import {
  allKeys,
  type PartitionUsers,
  TOO_MANY,
  type UserEntry,
  type UserKeys,
  type UserWrite,
  userAdd,
  userRemove,
  userRenew,
  userSettle,
} from "./user-scripts.js";

/**
 * Maximum number of changes that one script call makes and announces: two or three milliseconds of Redis's
 * time.
 */
const CHANGES_MAX = 250;

/** Maximum number of changes in a call that several partitions share: less than a millisecond of Redis's time. */
const SHARED_MAX = 64;

/** Dependencies and settings of the directory. */
export interface RedisUserDirectoryParts {
  readonly commands: Commands;
  readonly keys: Keys;
  readonly living: LiveServers;
  readonly connectionTtlMs: number;
  readonly lastSeenTtlMs: number;
  /** The command that publishes presence changes. */
  readonly publishCommand: string;
  /** Whether the partitions are spread over several nodes. */
  readonly isSharded: boolean;
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
    { quiet = false, onlyExisting = false, maxPerUser = 0 }: AddOptions = {},
  ): Promise<void> {
    for (const { connectionId } of connections) requireOwn(lease, connectionId);
    const { commands, connectionTtlMs: ttlMs } = this.#parts;
    const input = { ...this.#announcing(), fenceMs: lease.expiresAtMs, ttlMs, quiet, onlyExisting, maxPerUser };
    const calls = this.#calls(connections).map(async (partitions) =>
      this.#written(await commands.run(userAdd, { ...input, partitions }), partitions),
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
    await awaitAll(this.#remove(claim, connections, 0), isRetryable);
  }

  async endGracePeriods(partitions: readonly number[]): Promise<number | undefined> {
    const all = [...new Set(partitions)].map((partition) => this.#parts.keys.userPartition(partition));
    const left = await awaitAll(
      all.map((keys) => this.#endGracePeriodsOf(keys)),
      isRetryable,
    );
    const running = left.filter((ms) => ms !== undefined);
    return running.length === 0 ? undefined : Math.min(...running);
  }

  async held(right: Lease | ReapClaim, partition: number): Promise<UserConnection[]> {
    return this.#reader.held(holderName(right), partition);
  }

  async reconcile(partition: number): Promise<PartitionReconciliation> {
    return reconcileUsers(this.#parts, partition);
  }

  async #endGracePeriodsOf(keys: UserKeys): Promise<number | undefined> {
    const input = { ...this.#write(keys), most: CHANGES_MAX, seenTtlMs: this.#parts.lastSeenTtlMs };
    for (;;) {
      const leftMs = await this.#parts.commands.run(userSettle, input);
      if (leftMs !== 0) return leftMs < 0 ? undefined : leftMs;
    }
  }

  #remove(right: Lease | ReapClaim, connections: readonly UserConnection[], graceMs: number): Promise<boolean>[] {
    const own = connections.filter(({ connectionId }) => isOwn(right, connectionId));
    const { commands, connectionTtlMs: ttlMs, lastSeenTtlMs: seenTtlMs } = this.#parts;
    const input = { ...this.#announcing(), fenceMs: right.expiresAtMs, ttlMs, graceMs, seenTtlMs };
    return this.#calls(own).map(async (partitions) =>
      this.#written(await commands.run(userRemove, { ...input, partitions }), partitions),
    );
  }

  /** Returns whether the fence had not passed. Throws the failure of a partition if there is one. */
  #written(outcomes: readonly (number | Error)[] | undefined, partitions: readonly PartitionUsers[]): boolean {
    if (outcomes === undefined) return false;
    const failures = partitions.flatMap(({ keys }, i) => {
      const outcome = outcomes[i];
      return outcome instanceof Error ? [this.#parts.commands.partFailure(outcome, allKeys(keys))] : [];
    });
    const first = failures.find(({ retryable }) => retryable) ?? failures[0];
    if (first !== undefined) throw first;
    if (outcomes.includes(TOO_MANY)) {
      throw tooManyConnections();
    }
    return true;
  }

  #announcing(): { readonly publishCommand: string; readonly versionTtlMs: number } {
    return { publishCommand: this.#parts.publishCommand, versionTtlMs: this.#versionTtlMs };
  }

  #write(keys: UserKeys): UserWrite {
    return { ...keys, ...this.#announcing() };
  }

  /**
   * Splits connections into script calls. In a Cluster, a call writes to one partition; otherwise, small batches
   * of several partitions share a call, because a call costs more than the work for a connection.
   */
  #calls(connections: readonly UserConnection[]): PartitionUsers[][] {
    const most = this.#parts.isSharded ? 1 : Number.POSITIVE_INFINITY;
    const calls: PartitionUsers[][] = [];
    let open: PartitionUsers[] = [];
    let changes = 0;
    for (const { keys, entries } of this.#batches(connections)) {
      if (open.length > 0 && (open.length >= most || changes + entries.length > SHARED_MAX)) {
        calls.push(open);
        open = [];
        changes = 0;
      }
      open.push({ keys, users: byHead(entries) });
      changes += entries.length;
    }
    if (open.length > 0) calls.push(open);
    return calls;
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
