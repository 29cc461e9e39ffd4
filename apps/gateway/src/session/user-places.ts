import { setTimeout as sleep } from "node:timers/promises";
import type { Membership, NewConnection } from "@cm/membership";
import { CmError, connectionIdsOf, isCmError, type Store } from "@cm/protocol";
import type { Router } from "@cm/router";
import type { LimitCounter } from "../limits/limit-counter.js";

/** What happens to a connection that is one more than its user may have. */
export type UserLimitPolicy = (typeof USER_LIMIT_POLICIES)[number];
export const USER_LIMIT_POLICIES = ["refuse", "replace"] as const;

/** What {@link UserPlaces} needs. */
export interface UserPlacesOptions {
  readonly policy: UserLimitPolicy;
  /** On all servers; 0: no limit. */
  readonly maxConnectionsPerUser: number;
  readonly membership: Pick<Membership, "open">;
  readonly store: Pick<Store, "users" | "connections">;
  readonly router: Pick<Router, "control">;
  readonly limits: LimitCounter;
}

/** How often registering is tried: another connection may take a place that was freed. */
const ATTEMPTS_MAX = 5;

/** How long the owner of the oldest connection has to close it. */
const CLOSE_TIMEOUT_MS = 2_000;

/** Until the store has taken a place that was made: the first wait, which grows by as much each time. */
const WAIT_MS = 25;

/** Registers connections within what their user may have. */
export class UserPlaces {
  readonly #options: UserPlacesOptions;

  constructor(options: UserPlacesOptions) {
    this.#options = options;
  }

  /**
   * As {@link Membership.open}, after closing the user's oldest connection where that is the policy and needed. The
   * store counts as it registers, so that of several at once on different servers none is one too many. Fails with
   * `unavailable` where no place could be made, as when the server of the oldest died or hangs: the client is to come back.
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
        if (policy === "refuse") throw error;
        if (attempt === ATTEMPTS_MAX || !(await this.#makeRoom(connection.userId))) {
          throw new CmError("unavailable", "The user's oldest connection can't be closed for now.", { cause: error });
        }
        await sleep(WAIT_MS * attempt);
      }
    }
  }

  /** Closes the user's oldest connection, unless one has ended meanwhile. False where its server does not answer. */
  async #makeRoom(userId: string): Promise<boolean> {
    const { store, router, maxConnectionsPerUser } = this.#options;
    const ids = await connectionIdsOf(store.users, userId);
    if (ids.length < maxConnectionsPerUser) return true;
    const records = await Promise.all(ids.map((id) => store.connections.get(id)));
    const [oldest] = records
      .filter((record) => record !== undefined)
      .sort((a, b) => a.connectedAt - b.connectedAt || (a.connectionId < b.connectionId ? -1 : 1));
    if (oldest === undefined) return true;
    const request = { type: "disconnect", reason: "connections-limit" } as const;
    // `not-found` is no failure: another server closed it, or its server died, which the next attempts tell.
    return (await router.control(oldest.connectionId, request, { timeoutMs: CLOSE_TIMEOUT_MS })) !== "timeout";
  }
}

function isTooMany(error: unknown): error is CmError {
  return isCmError(error) && error.code === "connections-limit";
}
