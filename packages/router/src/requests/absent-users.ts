import { CmError, connectionIdsOf, ownerOf, type RegistrySnapshot } from "@cm/protocol";
import type { ResolvedRouterOptions } from "../options.js";

/** What a registry tells that knows of no server. */
const EMPTY: RegistrySnapshot = { living: [], lapsed: [], recentlyGone: [], knownForMs: 0 };

/** Decides whether a user for whom no server took a message is connected nowhere, or can't be found for now. */
export class AbsentUsers {
  readonly #options: Pick<ResolvedRouterOptions, "holdsLease" | "serverId" | "servers" | "users">;
  /** A reading of the registry that is under way. */
  #reading: Promise<RegistrySnapshot> | undefined;

  constructor(options: Pick<ResolvedRouterOptions, "holdsLease" | "serverId" | "servers" | "users">) {
    this.#options = options;
  }

  /**
   * A registry without the user is believed where it has this server's lease, and every other lease in it
   * is valid: one that lost its data, or whose clock passed a lease, hides users that are there. A user
   * that had no owner is looked for once more then: leases that were found valid may have been acquired again since.
   *
   * @throws CmError `unavailable` where the registry is not believed.
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
    throw new CmError("unavailable", "Where the user is connected is not known for now.");
  }

  /** One reading at a time, however many messages are for users who are not there. */
  #snapshot(): Promise<RegistrySnapshot> | undefined {
    this.#reading ??= this.#options.servers?.snapshot({ idsOnly: true }).finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }
}
