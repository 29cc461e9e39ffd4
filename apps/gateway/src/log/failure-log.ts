import { type FailureStage, isCmError } from "@cm/protocol";

/** Time between summaries of repeated failures, in milliseconds. */
const SUMMARY_INTERVAL_MS = 5_000;

/**
 * Maximum number of kinds that are counted separately. There are few codes and stages, but any number of names
 * of foreign errors.
 */
const KINDS_MAX = 64;

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

interface Kind {
  readonly stage: string;
  readonly code: string;
  /** Failures since the last summary, except those that were logged in full. */
  repeated: number;
}

/**
 * Logs the first failure of each kind (stage and code) in full. Further ones are counted and summed up in one
 * line every five seconds, until there was none of the kind for a whole interval.
 */
export function createFailureLog(log: ErrorLog, intervalMs = SUMMARY_INTERVAL_MS): FailureLog {
  const kinds = new Map<string, Kind>();
  let timer: NodeJS.Timeout | undefined;

  const flush = (): void => {
    const repeated = [...kinds.values()].filter((kind) => kind.repeated > 0).map((kind) => ({ ...kind }));
    for (const [key, kind] of kinds) {
      if (kind.repeated === 0) kinds.delete(key);
      kind.repeated = 0;
    }
    if (repeated.length > 0) log.error({ failures: repeated }, "more failures of the same kinds");
    if (kinds.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };

  return {
    report: (error, stage) => {
      const code = isCmError(error) ? error.code : error instanceof Error ? error.name : typeof error;
      const known = kinds.get(`${stage} ${code}`) ?? (kinds.size < KINDS_MAX ? undefined : kinds.get("others"));
      if (known !== undefined) {
        known.repeated++;
        return;
      }
      const isOther = kinds.size === KINDS_MAX - 1;
      kinds.set(isOther ? "others" : `${stage} ${code}`, {
        stage: isOther ? "others" : stage,
        code: isOther ? "others" : code,
        repeated: 0,
      });
      timer ??= setInterval(flush, intervalMs).unref();
      log.error({ err: error, code, stage }, stage === "request" ? "a request failed" : "background failure");
    },
    flush,
  };
}
