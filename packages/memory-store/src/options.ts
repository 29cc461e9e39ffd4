import { CmError, type OnError } from "@cm/protocol";
import type { HistoryLimits } from "./history-table.js";
import type { LastSeenLimits } from "./last-seen.js";
import { createMemoryHub, type MemoryHub, type MemoryWorld, worldOf } from "./memory-hub.js";

/** What {@link createMemoryStore} may be told. */
export interface MemoryStoreOptions {
  /** Where the data lies. Default: a hub of the store's own, which no other store sees. */
  readonly hub?: MemoryHub;
  /** Stores on one hub share their data where this is the same. Not empty. Default `cm`. */
  readonly namespace?: string;
  /**
   * The clock of the store's own hub; see `MemoryHubOptions`. Not together with `hub`,
   * which has its clock already.
   */
  readonly now?: () => number;
  /**
   * How long it is remembered when a user who is offline was last online, in
   * milliseconds; 0: not at all. Of those that this store takes offline. Default
   * 86,400,000 (a day).
   */
  readonly lastSeenTtlMs?: number;
  /** Of how many users at most; the longest gone are forgotten first. Default 100,000. */
  readonly lastSeenMax?: number;
  /** How long a game's session lasts without activity, in milliseconds. Default 7,200,000 (2 h). */
  readonly sessionTtlMs?: number;
  /** The most messages that are kept of a room with recoverable messages, 1 to 100,000. Default 1,000. */
  readonly historyMaxMessages?: number;
  /** How long they are kept after the latest of them, in milliseconds. Default 300,000 (5 min). */
  readonly historyTtlMs?: number;
  /**
   * Takes what a bus handler throws, with the stage `handler`. Other handlers get the
   * message all the same. Default: a process warning.
   */
  readonly onError?: OnError;
}

/** {@link MemoryStoreOptions}, complete and checked. */
export interface ResolvedMemoryStoreOptions {
  readonly world: MemoryWorld;
  readonly lastSeen: LastSeenLimits;
  readonly sessionTtlMs: number;
  readonly history: HistoryLimits;
  readonly onError: OnError;
}

/** Checks the options and fills in what is missing. Throws `options-invalid`. */
export function resolveMemoryStoreOptions(options: MemoryStoreOptions): ResolvedMemoryStoreOptions {
  const { hub, namespace = "cm", now, onError = (error) => process.emitWarning(error) } = options;
  const { lastSeenTtlMs = 86_400_000, lastSeenMax = 100_000, sessionTtlMs = 7_200_000 } = options;
  const { historyMaxMessages = 1_000, historyTtlMs = 300_000 } = options;
  if (typeof namespace !== "string" || namespace.length === 0) throw invalid("namespace", "a non-empty string");
  if (now !== undefined && typeof now !== "function") throw invalid("now", "a function");
  if (typeof onError !== "function") throw invalid("onError", "a function");
  requireWhole("lastSeenTtlMs", lastSeenTtlMs, 0);
  requireWhole("lastSeenMax", lastSeenMax, 0);
  requireWhole("sessionTtlMs", sessionTtlMs, 1);
  requireWhole("historyMaxMessages", historyMaxMessages, 1, 100_000);
  requireWhole("historyTtlMs", historyTtlMs, 1);
  if (hub !== undefined && now !== undefined) throw invalid("now", "left out where a hub is given");
  const world = worldOf(hub === undefined ? createMemoryHub(now === undefined ? {} : { now }) : hub, namespace);
  if (world === undefined) throw invalid("hub", "a hub made by createMemoryHub");
  const history = { historyMaxMessages, historyTtlMs };
  return { world, lastSeen: { lastSeenTtlMs, lastSeenMax }, sessionTtlMs, history, onError };
}

function requireWhole(field: string, value: number, min: number, max = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw invalid(field, max === Number.MAX_SAFE_INTEGER ? `a whole number, ${min} or more` : `from ${min} to ${max}`);
}

function invalid(field: string, expected: string): CmError {
  return new CmError("options-invalid", `${field} must be ${expected}.`, { details: { field } });
}
