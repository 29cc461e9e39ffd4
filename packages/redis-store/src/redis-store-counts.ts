import type { Counted, StoreCounts } from "@cm/protocol";
import { allOf, type Commands } from "./commands/commands.js";
import type { Keys } from "./keys/keys.js";
import { recordCount } from "./records/record-scripts.js";

/** What the counts need. */
export interface RedisStoreCountsParts {
  readonly commands: Commands;
  readonly keys: Keys;
}

/** Totals as sums over the partitions, which count for themselves. */
export class RedisStoreCounts implements StoreCounts {
  readonly #reads: Readonly<Record<Counted, () => Promise<number>[]>>;

  constructor({ commands, keys }: RedisStoreCountsParts) {
    this.#reads = {
      users: () => keys.onlineKeys().map((key) => commands.count("get", [key])),
      // A user who is leaving has an entry without a connection.
      connections: () =>
        keys
          .connectionCounts()
          .flatMap(({ connections, leaving }) => [
            commands.count("zcard", [connections]),
            commands.count("zcard", [leaving]).then((entries) => -entries),
          ]),
      rooms: () => keys.roomIndexes().map((key) => commands.count("scard", [key])),
      roomRecords: () => keys.recordIndexes().map((records) => commands.run(recordCount, { records })),
    };
  }

  async of(what: Counted): Promise<number> {
    const counts = await allOf(this.#reads[what]());
    return counts.reduce((sum, count) => sum + count, 0);
  }
}
