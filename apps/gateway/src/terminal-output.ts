import { writeSync } from "node:fs";

/** Prints an error to standard error as one line without a stack, for the person at the terminal. */
export function printError(error: unknown): void {
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
