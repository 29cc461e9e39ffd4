import { ERROR_CODES, type ErrorCode } from "@cm/protocol";
import { Tally } from "./tally.js";

/**
 * Counts what was wrong with what clients sent, by error code. One for a server and for
 * those who read its frames, so that `stats().faults` has all of it.
 */
export interface FaultCounter {
  /** Counts one faulty frame or refused request. What is no error code counts as `internal`. */
  count(code: ErrorCode): void;
  /** How often each code was counted. */
  counts(): Readonly<Record<string, number>>;
}

/** Makes a counter that begins with nothing. */
export function createFaultCounter(): FaultCounter {
  const tally = new Tally<ErrorCode>();
  return {
    count: (code) => tally.add(Object.hasOwn(ERROR_CODES, code) ? code : "internal"),
    counts: () => tally.counts(),
  };
}
