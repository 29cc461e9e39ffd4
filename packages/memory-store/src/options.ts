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
import { createMemoryHub, type MemoryHub, type MemoryWorld, worldOf } from "./memory-hub.js";
import type { LastSeenLimits } from "./users/last-seen.js";

/** What {@link createMemoryStore} may be told. */
export interface MemoryStoreOptions {
  /** Where the data lies. Default: a hub of the store's own, which no other store sees. */
  readonly hub?: MemoryHub | undefined;
  /** Stores on one hub share their data where this is the same. Not empty. Default `cm`. */
  readonly namespace?: string | undefined;
  /**
   * The clock of the store's own hub; see `MemoryHubOptions`. Not together with `hub`,
   * which has its clock already.
   */
  readonly now?: (() => number) | undefined;
  /**
   * How long it is remembered when a user who is offline was last online, in
   * milliseconds; 0: not at all. Of those that this store takes offline. Default
   * 86,400,000 (a day).
   */
  readonly lastSeenTtlMs?: number | undefined;
  /** Of how many users at most; the longest gone are forgotten first. Default 100,000. */
  readonly lastSeenMax?: number | undefined;
  /** How long a room's record lasts without activity, in milliseconds. Default 7,200,000 (2 h). */
  readonly roomRecordTtlMs?: number | undefined;
  /** The most messages that are kept of a room with recoverable messages, 1 to 100,000. Default 1,000. */
  readonly historyMaxMessages?: number | undefined;
  /** How long they are kept after the latest of them, in milliseconds. Default 300,000 (5 min). */
  readonly historyTtlMs?: number | undefined;
  /**
   * Takes what a bus handler throws, with the stage `handler`. Other handlers get the
   * message all the same. Default: a process warning.
   */
  readonly onError?: OnError | undefined;
}

/** {@link MemoryStoreOptions}, complete and checked. */
export interface ResolvedMemoryStoreOptions {
  readonly world: MemoryWorld;
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

/** Checks the options and fills in what is missing. Throws `options-invalid`. */
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
  if (hub !== undefined && now !== undefined) throw optionInvalid("now", "left out where a hub is given");
  const world = worldOf(hub === undefined ? createMemoryHub(now === undefined ? {} : { now }) : hub, namespace);
  if (world === undefined) throw optionInvalid("hub", "a hub made by createMemoryHub");
  const history = { historyMaxMessages, historyTtlMs };
  return { world, lastSeen: { lastSeenTtlMs, lastSeenMax }, roomRecordTtlMs, history, onError };
}
