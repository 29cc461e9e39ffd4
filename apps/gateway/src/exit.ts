import { writeSync } from "node:fs";

/** Exit codes of the program; those from 64 on are of BSD's sysexits.h. */
export const EXIT = {
  /** Closed as asked. */
  ok: 0,
  fault: 1,
  /** EX_USAGE: arguments that are not known. */
  usage: 64,
  /** EX_CONFIG: a configuration that can't be used. */
  config: 78,
} as const;

/** One line on standard error, without a stack, for the person at the terminal. */
export function tell(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  print(2, message.replace(/\s+/g, " "));
}

/** Writes lines to a descriptor: 1 or 2. */
export function print(descriptor: 1 | 2, text: string): void {
  try {
    writeSync(descriptor, `${text}\n`);
  } catch {
    // The descriptor takes no output; the exit code says as much.
  }
}
