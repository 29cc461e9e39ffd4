import type { Counted, StoreCounts } from "@cm/protocol";
import { awaitAll } from "@cm/protocol/turns";
import type { Commands } from "./commands/redis-commands.js";
import { isRetryable } from "./errors/store-error.js";
import type { Keys } from "./keys/key-names.js";
import { defineScript, toNumber } from "./scripts/script-definition.js";

/**
 * Number of partitions that one call counts if all partitions are on one node: a fraction of a millisecond of
 * Redis's time.
 */
const PARTITIONS_AT_ONCE = 64;

/** Dependencies of the counts. */
export interface RedisStoreCountsParts {
  readonly commands: Commands;
  readonly keys: Keys;
  /** Whether the partitions are spread over several nodes. */
  readonly isSharded: boolean;
}

const partitionCount = defineScript(
  "partition-count",
  (input: { readonly kind: string; readonly keys: readonly string[] }) => ({ keys: input.keys, args: [input.kind] }),
  toNumber,
);

/** Computes totals as sums over the partitions' own counts. */
export class RedisStoreCounts implements StoreCounts {
  readonly #parts: RedisStoreCountsParts;

  constructor(parts: RedisStoreCountsParts) {
    this.#parts = parts;
  }

  async of(what: Counted): Promise<number> {
    const { commands, isSharded } = this.#parts;
    const keys = this.#keysOf(what);
    const step = isSharded ? 1 : PARTITIONS_AT_ONCE;
    const calls: Promise<number>[] = [];
    for (let from = 0; from < keys.length; from += step) {
      calls.push(commands.run(partitionCount, { kind: KINDS[what], keys: keys.slice(from, from + step).flat() }));
    }
    const counts = await awaitAll(calls, isRetryable);
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** The keys to count, per partition. */
  #keysOf(what: Counted): readonly (readonly string[])[] {
    const { keys } = this.#parts;
    switch (what) {
      case "users":
        return keys.onlineKeys().map((key) => [key]);
      case "connections":
        return keys.connectionCounts().map(({ connections, leaving }) => [connections, leaving]);
      case "rooms":
        return keys.roomIndexes().map((key) => [key]);
      case "roomRecords":
        return keys.recordIndexes().map((key) => [key]);
    }
  }
}

const KINDS: Readonly<Record<Counted, string>> = {
  users: "users",
  connections: "connections",
  rooms: "rooms",
  roomRecords: "records",
};
