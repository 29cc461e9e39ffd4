import {
  CmError,
  type Page,
  type PageRequest,
  type StatesOptions,
  type UserConnection,
  type UserState,
} from "@cm/protocol";
import { requirePage } from "@cm/protocol/options";
import { requireStatesCount } from "@cm/protocol/store";
import { awaitAll } from "@cm/protocol/turns";
import { groupBy } from "../commands/argument-batches.js";
import type { Commands } from "../commands/redis-commands.js";
import { isRetryable } from "../errors/store-error.js";
import type { Keys } from "../keys/key-names.js";
import { toStrings } from "../scripts/script-definition.js";
import { holderOfConnection } from "../servers/lease-holders.js";
import type { LiveServers } from "../servers/live-servers.js";
import { decodeUserCursor, encodeUserCursor, type UserCursor } from "./user-cursor.js";
import { AFTER_CONNECTION_IDS, readUserEntry, userEntryHead, userOfHead } from "./user-entry.js";
import { type UserRow, userHeld, userStates, usersOnline } from "./user-scripts.js";

/** Maximum number of users that one script call reads: one or two milliseconds of Redis's time. */
const USERS_MAX = 250;

/** Number of connections after which a script call reads no further user. */
const CONNECTIONS_MAX = 1_000;

/**
 * Maximum number of rounds per page. Each round reads a part of one partition, or several partitions at once.
 */
const ROUNDS_MAX = 8;

/** Maximum number of partitions that are read at once. */
const PARTITIONS_AT_ONCE_MAX = 64;

/** Maximum number of entries that one script call goes through to find a holder's entries. */
const HELD_MAX = 1_000;

/** Dependencies and settings of the reader. */
export interface UserReaderParts {
  readonly commands: Commands;
  readonly keys: Keys;
  readonly living: LiveServers;
  readonly lastSeenTtlMs: number;
}

/** Reads the states of users and their connections. */
export class UserReader {
  readonly #parts: UserReaderParts;

  constructor(parts: UserReaderParts) {
    this.#parts = parts;
  }

  async states(userIds: readonly string[], { idsOnly = false }: StatesOptions = {}): Promise<UserState[]> {
    requireStatesCount(userIds);
    if (idsOnly) return this.#ids(userIds);
    const { commands, keys, living, lastSeenTtlMs: seenTtlMs } = this.#parts;
    const groups = [...groupBy([...new Set(userIds)], (userId) => keys.users(userId))];
    const reads = groups.map(([partition, group]) =>
      commands.run(userStates, { ...partition, seenTtlMs, heads: group.map(userEntryHead) }),
    );
    const [holders, parts] = await Promise.all([living.all(), awaitAll(reads, isRetryable)]);
    const lives = new Set(holders);
    const states = new Map<string, UserState>();
    for (const { version, rows } of parts) {
      for (const row of rows) states.set(userOfHead(row.head), stateOf(row, row.lastSeen, version, lives));
    }
    return userIds.flatMap((userId) => states.get(userId) ?? []);
  }

  async online(page: PageRequest, only?: number): Promise<Page<UserState>> {
    const { cursor, limit } = requirePage(page);
    const { keys, living } = this.#parts;
    if (only !== undefined) keys.userPartition(only);
    const start: UserCursor = { partition: only ?? 0, afterUser: undefined };
    let at = cursor === undefined ? start : this.#readCursor(cursor, only);
    const end = only === undefined ? keys.partitions : only + 1;
    const asked = living.all();
    // The promise is awaited below, after the first read; until then, a rejection must not count as unhandled.
    asked.catch(() => undefined);
    const items: UserState[] = [];
    let partitionsRead = 0;
    for (let round = 0; round < ROUNDS_MAX && at.partition < end && items.length < limit; round++) {
      const left = limit - items.length;
      const parts = await this.#readPartitions(
        at,
        Math.min(end - at.partition, partitionsToRead(partitionsRead, items, left)),
        left,
      );
      const lives = new Set(await asked);
      for (const { version, ended, rows } of parts) {
        const room = limit - items.length;
        items.push(
          ...rows
            .slice(0, room)
            .map((row) => stateOf(row, undefined, version, lives))
            .filter(isOnline),
        );
        const last = rows.slice(0, room).at(-1);
        if (!ended || rows.length > room) {
          if (last !== undefined) at = { partition: at.partition, afterUser: userOfHead(last.head) };
          break;
        }
        partitionsRead++;
        at = { partition: at.partition + 1, afterUser: undefined };
      }
    }
    return { items, cursor: at.partition < end ? encodeUserCursor(at) : undefined };
  }

  async held(holder: string, partition: number): Promise<UserConnection[]> {
    const { commands, keys } = this.#parts;
    const partitionKeys = keys.userPartition(partition);
    const connections: UserConnection[] = [];
    let after = "";
    do {
      const { last, held } = await commands.run(userHeld, { ...partitionKeys, holder, after, most: HELD_MAX });
      for (const { entry, metadata } of held) connections.push(withMetadata(readUserEntry(entry), metadata));
      after = last;
    } while (after !== "");
    return connections;
  }

  /**
   * Reads with plain commands, because each message to a user needs this: a script costs Redis several times
   * as much.
   */
  async #ids(userIds: readonly string[]): Promise<UserState[]> {
    const { commands, keys, living } = this.#parts;
    const reads = userIds.map((userId) => {
      const head = userEntryHead(userId);
      const range = [keys.users(userId).connections, `[${head}`, `(${head}${AFTER_CONNECTION_IDS}`, "BYLEX"];
      return commands.send("zrange", range);
    });
    const [holders, replies] = await Promise.all([living.all(), awaitAll(reads, isRetryable)]);
    const lives = new Set(holders);
    return userIds.map((userId, i) => {
      const head = userEntryHead(userId);
      const entries = toStrings(replies[i]);
      const connections = entries.flatMap((entry) =>
        entry === head ? [] : [{ connectionId: entry.slice(head.length), metadata: "" }],
      );
      const row = { head, isLeaving: entries[0] === head, connections };
      return stateOf(row, undefined, 0, lives);
    });
  }

  #readCursor(cursor: string, only: number | undefined): UserCursor {
    const { keys } = this.#parts;
    const at = decodeUserCursor(cursor, keys.partitions, (userId) => keys.partitionOf(userId));
    if (only === undefined || at.partition === only) return at;
    throw new CmError("options-invalid", "The cursor belongs to another partition.", { details: { field: "cursor" } });
  }

  /** Reads several partitions at once, the first of them from the given cursor on. */
  #readPartitions({ partition, afterUser }: UserCursor, count: number, limit: number) {
    const { commands, keys } = this.#parts;
    const mostUsers = Math.min(limit, USERS_MAX);
    return awaitAll(
      Array.from({ length: count }, (_, i) =>
        commands.run(usersOnline, {
          ...keys.userPartition(partition + i),
          after: i === 0 && afterUser !== undefined ? userEntryHead(afterUser) : "",
          mostUsers,
          mostConnections: CONNECTIONS_MAX,
        }),
      ),
      isRetryable,
    );
  }
}

/**
 * Estimates how many partitions to read next for a page that lacks `missing` users, from the users found per
 * partition so far; 1 at first. Example: 10 users in 2 partitions and 20 missing users give 4.
 */
function partitionsToRead(partitionsRead: number, items: readonly UserState[], missing: number): number {
  if (partitionsRead === 0) return 1;
  return Math.min(PARTITIONS_AT_ONCE_MAX, Math.ceil((missing * partitionsRead) / Math.max(1, items.length)));
}

function stateOf(
  { head, isLeaving, connections }: UserRow,
  lastSeen: number | undefined,
  version: number,
  lives: ReadonlySet<string>,
): UserState {
  const userId = userOfHead(head);
  const living = connections.filter(({ connectionId }) => lives.has(holderOfConnection(connectionId)));
  return {
    userId,
    connections: living.map(({ connectionId, metadata }) => withMetadata({ userId, connectionId }, metadata)),
    isLeaving,
    lastSeen,
    version,
  };
}

function isOnline({ connections, isLeaving }: UserState): boolean {
  return isLeaving || connections.length > 0;
}

function withMetadata(connection: UserConnection, metadata: string): UserConnection {
  return metadata === "" ? connection : { ...connection, metadata };
}
