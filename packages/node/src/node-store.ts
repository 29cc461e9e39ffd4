import { createMemoryStore } from "@cm/memory-store";
import type { OnError, Store } from "@cm/protocol";
import { optionInvalid, renaming, requireDurationMs } from "@cm/protocol/options";
import { createRedisStore, type PublishWindowMs } from "@cm/redis-store";
import { definedOnly } from "./defined-only.js";

/**
 * Selects where a node stores the data that servers share. At most one of `store` and `redisUrl` may be
 * given; without both, the node uses the memory of its process. The other options, except
 * `connectionTtlMs`, are for a store that the node creates, and invalid together with `store`.
 */
export interface NodeStoreOptions {
  /**
   * A store that the application created and started; the node neither starts nor closes it. Only one node can use a
   * store at a time, because a store's bus allows one subscription per channel: until the first node is closed, the
   * start of a second node on the store rejects with `options-invalid`.
   */
  readonly store?: Store | undefined;
  /**
   * `redis://`, `redis+sentinel://` or `redis+cluster://`; see `createRedisStore`. Without `redisUrl`
   * and `store`, the node stands alone, with its data in the memory of the process. If the option is
   * given as `undefined`, as from an environment variable that is not set, a process warning is
   * emitted.
   */
  readonly redisUrl?: string | undefined;
  /**
   * Prefix of every key and channel. Must be the same in all processes of a cluster: a process with another prefix
   * neither receives the others' messages nor sees their users. 1 to 64 characters of `A-Z a-z 0-9 : _ -`, also for the
   * memory store. Default `cm`.
   */
  readonly prefix?: string | undefined;
  /** Time to live of connections that are not renewed, in milliseconds. Default 3,600,000; 1,000 to a day. */
  readonly connectionTtlMs?: number | undefined;
  /**
   * How long the store keeps the time when a user was last online, in milliseconds. Default 86,400,000;
   * 0 or more.
   */
  readonly lastSeenTtlMs?: number | undefined;
  /** Time to live of a room's record without activity, in milliseconds. Default 7,200,000; 1,000 or more. */
  readonly roomRecordTtlMs?: number | undefined;
  /**
   * Maximum time that a message to a busy room waits for other messages on its way to Redis, in milliseconds, 0 to 100,
   * or a function that returns it for a room; see `createRedisStore`. Default 3.
   */
  readonly publishWindowMs?: PublishWindowMs | undefined;
}

/** A node's store, and whether the node created it. */
export interface ChosenStore {
  readonly store: Store;
  /** Whether the node starts and closes the store. */
  readonly isOwn: boolean;
}

/** The options that only a store which the node creates can apply. */
const OF_OWN_STORE = ["redisUrl", "prefix", "lastSeenTtlMs", "roomRecordTtlMs", "publishWindowMs"] as const;

/** Returns the store passed in the options, or creates one if there is none. Throws `options-invalid`. */
export function chooseStore(options: NodeStoreOptions, onError: OnError): ChosenStore {
  const { store, redisUrl, prefix } = options;
  if (store !== undefined) {
    const ineffective = OF_OWN_STORE.find((field) => options[field] !== undefined);
    if (ineffective !== undefined) throw optionInvalid(ineffective, "omitted if a store is given");
    return { store, isOwn: false };
  }
  const common = { onError, ...definedOnly(options, ["lastSeenTtlMs", "roomRecordTtlMs"]) };
  if (redisUrl === undefined) {
    // Has no effect here, but a value that Redis would refuse is found before the program runs on Redis.
    const { publishWindowMs = 0 } = options;
    if (typeof publishWindowMs === "number") requireDurationMs("publishWindowMs", publishWindowMs, 0, 100);
    if ("redisUrl" in options) warnOfUndefinedUrl();
    const namespace = prefix === undefined ? {} : { namespace: prefix };
    return { store: createMemoryStore({ ...common, ...namespace }), isOwn: true };
  }
  const more = definedOnly(options, ["prefix", "connectionTtlMs", "publishWindowMs"]);
  return {
    store: renaming({ url: "redisUrl" }, () => createRedisStore({ ...common, ...more, url: redisUrl })),
    isOwn: true,
  };
}

/**
 * Warns that `redisUrl` is `undefined`, most likely because an environment variable is not set: the
 * node would work, but without receiving anything from other processes.
 */
function warnOfUndefinedUrl(): void {
  process.emitWarning(
    "redisUrl is undefined: this node keeps its data in process memory and shares nothing with other servers. " +
      "If that is intended, omit the option.",
    { type: "CmWarning", code: "memory-only" },
  );
}
