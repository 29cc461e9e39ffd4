import { type FailureStage, isCmError } from "@cm/protocol";
import { causesOf, loggedError } from "./logged-error.js";

/** Time between summaries of repeated failures, in milliseconds. */
const SUMMARY_INTERVAL_MS = 5_000;

/**
 * Maximum number of kinds that are counted separately. There are few codes and stages, but any number of names
 * of foreign errors.
 */
const KINDS_MAX = 64;

/**
 * Like {@link KINDS_MAX}, for failures of the application's hooks and routes: the messages of their errors are part
 * of the kind, and can vary without bound.
 */
const APPLICATION_KINDS_MAX = 32;

/** Where a failure happened: in the background, or while a client's request was handled. */
export type FailurePlace = FailureStage | "request";

/** A log of failures that can't be flooded during an outage. */
export interface FailureLog {
  report(error: unknown, stage: FailurePlace): void;
  /** Logs the failures that have only been counted so far. */
  flush(): void;
}

/** The part of a logger that is used here. */
interface ErrorLog {
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** The application's hook or route that failed. */
type Failing = { readonly hook: string } | { readonly route: string };

interface Kind {
  readonly stage: string;
  readonly code: string;
  readonly failing: Failing | undefined;
  /** Failures since the last summary, except those that were logged in full. */
  repeated: number;
}

/**
 * Writes the first failure of each kind in full. Later failures of that kind are counted and summarized in one line
 * every 5 s, until none has occurred for a whole interval. Failures are of one kind if their stage and code are equal
 * and, for the application's hooks and routes, if the hook or route and the causes are equal too.
 */
export function createFailureLog(log: ErrorLog, intervalMs = SUMMARY_INTERVAL_MS): FailureLog {
  const kinds = new Map<string, Kind>();
  let timer: NodeJS.Timeout | undefined;

  const flush = (): void => {
    const repeated = [...kinds.values()]
      .filter((kind) => kind.repeated > 0)
      .map(({ failing, ...kind }) => ({ ...kind, ...failing }));
    for (const [key, kind] of kinds) {
      if (kind.repeated === 0) kinds.delete(key);
      kind.repeated = 0;
    }
    if (repeated.length > 0) log.error({ failures: repeated }, "more failures of the kinds already logged");
    if (kinds.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };

  /**
   * Returns the kind of a failure, and creates it if necessary. If there are too many kinds, new ones share one
   * kind. Failures of the application's hooks and routes have their own limit and shared kind.
   */
  const kindOf = (error: unknown, stage: FailurePlace, code: string, failing: Failing | undefined): Kind => {
    const key = JSON.stringify([stage, code, ...(failing === undefined ? [] : [failing, causesOf(error)])]);
    const known = kinds.get(key);
    if (known !== undefined) return known;
    const [most, rest] =
      failing === undefined ? [KINDS_MAX, "others"] : [APPLICATION_KINDS_MAX, "others of the application"];
    let count = 0;
    for (const kind of kinds.values()) if ((kind.failing === undefined) === (failing === undefined)) count++;
    const others = kinds.get(rest);
    if (others !== undefined && count >= most) return others;
    const isRest = count === most - 1 && others === undefined;
    const kind = isRest
      ? { stage: rest, code: "others", failing: failing && { hook: "others" }, repeated: -1 }
      : { stage, code, failing, repeated: -1 };
    kinds.set(isRest ? rest : key, kind);
    return kind;
  };

  return {
    report: (error, stage) => {
      const code = isCmError(error) ? error.code : error instanceof Error ? error.name : typeof error;
      const failing = failingIn(error);
      const kind = kindOf(error, stage, code, failing);
      kind.repeated++;
      // Wait for a summary only if failures were counted: the first failure of a kind has been written in full.
      if (kind.repeated > 0) return;
      timer ??= setInterval(flush, intervalMs).unref();
      log.error({ err: loggedError(error), code, stage, ...failing }, messageOf(stage, failing));
    },
    flush,
  };
}

function failingIn(error: unknown): Failing | undefined {
  const { hook, route } = isCmError(error) ? (error.details ?? {}) : {};
  if (typeof hook === "string") return { hook };
  return typeof route === "string" ? { route } : undefined;
}

function messageOf(stage: FailurePlace, failing: Failing | undefined): string {
  if (failing !== undefined) return "hook" in failing ? "a hook failed" : "a route failed";
  return stage === "request" ? "a request failed" : "background failure";
}
