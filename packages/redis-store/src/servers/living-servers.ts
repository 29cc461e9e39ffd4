import type { Commands } from "../commands/commands.js";
import type { Keys } from "../keys/keys.js";
import { serversLiving } from "./server-scripts.js";

/** Who holds a lease right now, by Redis's clock. */
export class Living {
  readonly #commands: Commands;
  readonly #keys: Keys;
  #latest: readonly string[] = [];

  constructor(commands: Commands, keys: Keys) {
    this.#commands = commands;
    this.#keys = keys;
  }

  /**
   * The holders as they were when last asked for. Only to guess with: what was read with
   * it counts once {@link all}, asked at the same time, says the same.
   */
  get latest(): readonly string[] {
    return this.#latest;
  }

  /** All holders, in the order of their expiry. */
  async all(): Promise<readonly string[]> {
    const holders = await this.#commands.run(serversLiving, { leases: this.#keys.leases, holders: [] });
    this.#latest = holders;
    return holders;
  }

  /** Whether this one holds a lease. */
  async includes(holder: string): Promise<boolean> {
    const living = await this.#commands.run(serversLiving, { leases: this.#keys.leases, holders: [holder] });
    return living.length > 0;
  }
}
