import { CmError, connectionIdsOf, ownerOf, type RegistrySnapshot } from "@cm/protocol";
import type { ResolvedRouterOptions } from "../options.js";

/** The snapshot of an empty registry. */
const EMPTY: RegistrySnapshot = { living: [], lapsed: [], recentlyGone: [], knownForMs: 0 };

/**
 * Used if no server accepted a message to a user: decides whether the user has no connection, or cannot be
 * located at the moment.
 */
export class AbsenceCheck {
  readonly #options: Pick<ResolvedRouterOptions, "holdsLease" | "serverId" | "servers" | "users">;
  /** The snapshot that is being read. */
  #reading: Promise<RegistrySnapshot> | undefined;

  constructor(options: Pick<ResolvedRouterOptions, "holdsLease" | "serverId" | "servers" | "users">) {
    this.#options = options;
  }

  /**
   * Resolves with `not-found` if the registry can be trusted: it has this server's lease, and every other
   * lease in it is valid. A registry that lost its data, or whose clock passed a lease's expiry, hides
   * existing users. If no owner was found for the user, the user is looked up once more after the snapshot,
   * because a lease that is valid in the snapshot may have been acquired again only after the first look-up.
   *
   * @throws CmError `unavailable` if the registry cannot be trusted.
   */
  async confirm(userId: string, owners: number): Promise<"not-found"> {
    const { holdsLease, serverId, users } = this.#options;
    if (holdsLease === undefined) return "not-found";
    const snapshot = holdsLease() ? await this.#snapshot() : EMPTY;
    if (snapshot === undefined) return "not-found";
    const { living, lapsed, knownForMs } = snapshot;
    const isHere = living.some((server) => server.serverId === serverId);
    const isBelieved = knownForMs > 0 && lapsed.length === 0 && isHere;
    const isElsewhere = (connectionId: string): boolean => ownerOf(connectionId) !== serverId;
    if (isBelieved && (owners > 0 || !(await connectionIdsOf(users, userId)).some(isElsewhere))) return "not-found";
    throw new CmError("unavailable", "The user's connections can't be determined at the moment.");
  }

  /** Reads a snapshot. Concurrent calls share one read, however many messages to absent users there are. */
  #snapshot(): Promise<RegistrySnapshot> | undefined {
    this.#reading ??= this.#options.servers?.snapshot({ idsOnly: true }).finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }
}
