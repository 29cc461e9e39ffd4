import type { OnError } from "@cm/protocol";
import {
  optionInvalid,
  requireDurationMs,
  requireFunction,
  requireOptions,
  requireText,
  requireWholeNumber,
} from "@cm/protocol/options";
import type { HistoryLimits } from "./history/history-table.js";
import { createMemoryHub, type MemoryHub, type MemoryNamespace, namespaceOf } from "./memory-hub.js";
import type { LastSeenLimits } from "./users/last-seen.js";

/** Options of {@link createMemoryStore}. */
export interface MemoryStoreOptions {
  /** The hub that holds the data. Default: a hub of its own, which no other store shares. */
  readonly hub?: MemoryHub | undefined;
  /** Stores on one hub share their data if they have the same namespace. Not empty. Default `cm`. */
  readonly namespace?: string | undefined;
  /**
   * The clock of the store's own hub; see `MemoryHubOptions`. Not allowed together with `hub`, which has its
   * own clock.
   */
  readonly now?: (() => number) | undefined;
  /**
   * How long the store remembers when an offline user was last online, in milliseconds; 0 disables this.
   * Applies to the users that this store takes offline. Default 86,400,000 (1 day).
   */
  readonly lastSeenTtlMs?: number | undefined;
  /**
   * Maximum number of offline users whose last time online is remembered; those offline longest are removed
   * first. Default 100,000.
   */
  readonly lastSeenMax?: number | undefined;
  /** Time to live of a room's record without activity, in milliseconds. Default 7,200,000 (2 h). */
  readonly roomRecordTtlMs?: number | undefined;
  /** Maximum number of messages kept per recoverable room, 1 to 100,000. Default 1,000. */
  readonly historyMaxMessages?: number | undefined;
  /**
   * How long a room's messages are kept, in milliseconds. Each new message removes older ones; without new
   * messages, all are removed when the latest one is this old. Default 300,000 (5 min).
   */
  readonly historyTtlMs?: number | undefined;
  /**
   * Called with each error that a bus handler or a listener of the link throws, with the stage `handler`. The
   * other handlers and listeners are still called. By default, each becomes a process warning.
   */
  readonly onError?: OnError | undefined;
}

/** {@link MemoryStoreOptions} with defaults applied, validated. */
export interface ResolvedMemoryStoreOptions {
  readonly data: MemoryNamespace;
  readonly lastSeen: LastSeenLimits;
  readonly roomRecordTtlMs: number;
  readonly history: HistoryLimits;
  readonly onError: OnError;
}

const KNOWN: Readonly<Record<keyof MemoryStoreOptions, true>> = {
  hub: true,
  namespace: true,
  now: true,
  lastSeenTtlMs: true,
  lastSeenMax: true,
  roomRecordTtlMs: true,
  historyMaxMessages: true,
  historyTtlMs: true,
  onError: true,
};

/** Validates the options and applies defaults. Throws `options-invalid`. */
export function resolveMemoryStoreOptions(given: MemoryStoreOptions): ResolvedMemoryStoreOptions {
  const options = requireOptions(given, KNOWN);
  const { hub, namespace = "cm", now, onError = (error) => process.emitWarning(error) } = options;
  const { lastSeenTtlMs = 86_400_000, lastSeenMax = 100_000, roomRecordTtlMs = 7_200_000 } = options;
  const { historyMaxMessages = 1_000, historyTtlMs = 300_000 } = options;
  requireText("namespace", namespace);
  if (now !== undefined) requireFunction("now", now);
  requireFunction("onError", onError);
  requireDurationMs("lastSeenTtlMs", lastSeenTtlMs, 0, Number.MAX_SAFE_INTEGER);
  requireWholeNumber("lastSeenMax", lastSeenMax, { min: 0, max: Number.MAX_SAFE_INTEGER });
  requireDurationMs("roomRecordTtlMs", roomRecordTtlMs, 1, Number.MAX_SAFE_INTEGER);
  requireWholeNumber("historyMaxMessages", historyMaxMessages, { min: 1, max: 100_000 });
  requireDurationMs("historyTtlMs", historyTtlMs, 1, Number.MAX_SAFE_INTEGER);
  if (hub !== undefined && now !== undefined) throw optionInvalid("now", "omitted if a hub is given");
  const data = namespaceOf(hub === undefined ? createMemoryHub(now === undefined ? {} : { now }) : hub, namespace);
  if (data === undefined) throw optionInvalid("hub", "a hub created by createMemoryHub");
  const history = { historyMaxMessages, historyTtlMs };
  return { data, lastSeen: { lastSeenTtlMs, lastSeenMax }, roomRecordTtlMs, history, onError };
}
