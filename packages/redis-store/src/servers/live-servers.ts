import type { Commands } from "../commands/redis-commands.js";
import type { Keys } from "../keys/key-names.js";
import { serversLiving } from "./server-scripts.js";

/** The current holders of valid leases, by Redis's clock. */
export class LiveServers {
  readonly #commands: Commands;
  readonly #keys: Keys;
  #latest: readonly string[] = [];

  constructor(commands: Commands, keys: Keys) {
    this.#commands = commands;
    this.#keys = keys;
  }

  /**
   * The holders as of the last call of {@link all}. For optimistic reads only: a result obtained with them is
   * valid only if {@link all}, called at the same time, returns the same holders.
   */
  get latest(): readonly string[] {
    return this.#latest;
  }

  /** All holders of leases, the earliest expiry first. */
  async all(): Promise<readonly string[]> {
    const holders = await this.#commands.run(serversLiving, { leases: this.#keys.leases, holders: [] });
    this.#latest = holders;
    return holders;
  }

  /** Whether the holder has a valid lease. */
  async includes(holder: string): Promise<boolean> {
    const living = await this.#commands.run(serversLiving, { leases: this.#keys.leases, holders: [holder] });
    return living.length > 0;
  }
}
