import { writeSync } from "node:fs";

/** Exit codes of the program; those from 64 on are from BSD's sysexits.h. */
export const EXIT = {
  /** Closed on request. */
  ok: 0,
  fault: 1,
  /** EX_USAGE: unknown arguments. */
  usage: 64,
  /** EX_CONFIG: an invalid configuration. */
  config: 78,
} as const;

/** Prints an error to standard error as one line without a stack, for the person at the terminal. */
export function tell(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  print(2, message.replace(/\s+/g, " "));
}

/** Writes lines to standard output (1) or standard error (2). */
export function print(descriptor: 1 | 2, text: string): void {
  try {
    writeSync(descriptor, `${text}\n`);
  } catch {
    // Ignore the error if the descriptor can't be written to: the exit code still reports the outcome.
  }
}
