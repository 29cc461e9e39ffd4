import { ERROR_CODES, type ErrorCode } from "@cm/protocol";
import { KeyedCounter } from "./keyed-counter.js";

/**
 * Counts faults in the frames that clients sent, by error code. The server and the code that handles its frames
 * share one counter, so that `stats().faults` contains all faults.
 */
export interface FaultCounter {
  /** Counts one faulty frame or refused request. An unknown code counts as `internal`. */
  count(code: ErrorCode): void;
  /** The number of faults for each code. */
  counts(): Readonly<Record<string, number>>;
}

/** Creates a counter without any faults. */
export function createFaultCounter(): FaultCounter {
  const tally = new KeyedCounter<ErrorCode>();
  return {
    count: (code) => tally.add(Object.hasOwn(ERROR_CODES, code) ? code : "internal"),
    counts: () => tally.counts(),
  };
}
