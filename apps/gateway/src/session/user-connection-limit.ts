import { setTimeout as sleep } from "node:timers/promises";
import type { Membership, NewConnection } from "@cm/membership";
import { CmError, connectionIdsOf, isCmError, ownerOf, type Store } from "@cm/protocol";
import { Semaphore } from "@cm/protocol/turns";
import type { Router } from "@cm/router";
import type { LimitCounter } from "../limits/limit-counter.js";
import { OldestConnectionSearch } from "./oldest-connection.js";

/** What happens if a connection exceeds its user's limit. */
export type UserLimitPolicy = (typeof USER_LIMIT_POLICIES)[number];
export const USER_LIMIT_POLICIES = ["refuse", "replace"] as const;

/** Options of {@link UserConnectionLimit}. */
export interface UserConnectionLimitOptions {
  readonly policy: UserLimitPolicy;
  /** Maximum number of a user's connections on all servers; 0: no limit. */
  readonly maxConnectionsPerUser: number;
  readonly membership: Pick<Membership, "open">;
  readonly store: Pick<Store, "users" | "connections">;
  readonly router: Pick<Router, "control">;
  readonly limits: LimitCounter;
}

/**
 * Maximum number of attempts to register a connection. Several may be needed, because another connection may
 * take a place that was freed.
 */
const ATTEMPTS_MAX = 5;

/** Maximum time for the owner of the oldest connection to close it, in milliseconds. */
const CLOSE_TIMEOUT_MS = 2_000;

/**
 * Maximum time for the servers of a user's connections to confirm that they live, in milliseconds, and maximum number
 * of servers that are asked.
 */
const PING_TIMEOUT_MS = 1_000;
const PINGS_MAX = 16;

/**
 * Delay before the next attempt, in milliseconds, multiplied by the number of attempts so far. In that time the
 * store can remove the closed connection.
 */
const WAIT_MS = 25;

/**
 * Maximum number of searches for an oldest connection that run at a time, so that clients which connect beyond the
 * limit again and again can't keep the store busy.
 */
const SEARCHES_AT_ONCE = 16;

/** Registers connections within the limit of their user. */
export class UserConnectionLimit {
  readonly #options: UserConnectionLimitOptions;
  readonly #oldest: OldestConnectionSearch;
  readonly #searches = new Semaphore(SEARCHES_AT_ONCE);

  constructor(options: UserConnectionLimitOptions) {
    this.#options = options;
    this.#oldest = new OldestConnectionSearch(options.store.connections);
  }

  /**
   * Same as {@link Membership.open}; with the policy `replace`, closes the user's oldest connection first if
   * the limit is reached. The store counts the connections while it registers one, so that several
   * registrations at once on different servers can't exceed the limit. Rejects with `unavailable` if no place
   * could be freed, for example because the server of the oldest connection died or hangs; the client should
   * reconnect. With the policy `refuse`, rejects with `connections-limit`, after which clients stay away, only if
   * all servers of the user's connections live: the connections of a dead server count until they are removed.
   */
  async open(connection: NewConnection): Promise<void> {
    const { membership, policy, limits } = this.#options;
    for (let attempt = 1; ; attempt++) {
      try {
        await membership.open(connection);
        return;
      } catch (error) {
        if (!isTooMany(error)) throw error;
        if (attempt === 1) limits.count("connections-per-user");
        if (policy === "refuse") await this.#requireCapacity(connection.userId, error);
        if (attempt === ATTEMPTS_MAX || (policy === "replace" && !(await this.#closeOldest(connection.userId)))) {
          throw new CmError("unavailable", "No connection of the user was closed in time.", { cause: error });
        }
        await sleep(WAIT_MS * attempt);
      }
    }
  }

  /**
   * Rejects, unless connections of the user were removed in the meantime: with `unavailable` if a server of the
   * user's connections does not respond, otherwise with `refusal`.
   */
  async #requireCapacity(userId: string, refusal: CmError): Promise<void> {
    const { store, router, maxConnectionsPerUser } = this.#options;
    const ids = await connectionIdsOf(store.users, userId);
    if (ids.length < maxConnectionsPerUser) return;
    const servers = new Set(ids.flatMap((id) => ownerOf(id) ?? []));
    const outcomes = await Promise.all(
      [...servers]
        .slice(0, PINGS_MAX)
        .map((serverId) => router.control(serverId, { type: "ping" }, { timeoutMs: PING_TIMEOUT_MS })),
    );
    if (outcomes.every((outcome) => outcome === "done")) throw refusal;
    throw new CmError("unavailable", "A server of the user's connections has died or hangs.", { cause: refusal });
  }

  /**
   * Closes the user's oldest connection, unless a connection of the user has closed in the meantime. Resolves
   * with `false` if the server of the oldest connection does not respond.
   */
  async #closeOldest(userId: string): Promise<boolean> {
    const oldest = await this.#searches.run(() => this.#oldestAtLimit(userId));
    if (oldest === undefined) return true;
    const request = { type: "disconnect", reason: "connections-limit" } as const;
    // Do not treat `not-found` as a failure: either another server has closed the connection, or the
    // connection's server has died, in which case later attempts fail.
    return (await this.#options.router.control(oldest, request, { timeoutMs: CLOSE_TIMEOUT_MS })) !== "timeout";
  }

  /** The user's oldest connection, or `undefined` if the user has fewer connections than the limit. */
  async #oldestAtLimit(userId: string): Promise<string | undefined> {
    const { store, maxConnectionsPerUser } = this.#options;
    const ids = await connectionIdsOf(store.users, userId);
    return ids.length < maxConnectionsPerUser ? undefined : this.#oldest.oldestOf(ids);
  }
}

function isTooMany(error: unknown): error is CmError {
  return isCmError(error) && error.code === "connections-limit";
}
