import type { FailureStage, OnError } from "@cm/protocol";

/** Minimum time between two warnings of one kind, in milliseconds. */
const QUIET_MS = 60_000;
/**
 * Maximum number of kinds of failures that are remembered. Beyond it, the oldest kind is forgotten, and the
 * next failure of that kind is reported at once.
 */
const MAX_KINDS = 256;

interface Warned {
  readonly atMs: number;
  repeated: number;
}

/**
 * Creates the default `onError`: it emits a process warning that names the stage and the code. An outage
 * fails many calls in the same way, for example one for each partition, so failures of one kind are reported
 * at most once a minute, and the next warning contains the number of failures since the last one. A kind is
 * the stage and the code, and also the message if the error is not retryable.
 */
export function createFailureWarnings(
  emit: (message: string, options: { type: string; code: string; detail: string }) => void = (message, options) =>
    process.emitWarning(message, options),
  now: () => number = Date.now,
): OnError {
  const kinds = new Map<string, Warned>();
  return (error, { stage }: { readonly stage: FailureStage }) => {
    const kind = JSON.stringify([stage, error.code, error.retryable ? "" : error.message]);
    const known = kinds.get(kind);
    const nowMs = now();
    if (known !== undefined && nowMs - known.atMs < QUIET_MS) {
      known.repeated++;
      return;
    }
    kinds.delete(kind);
    kinds.set(kind, { atMs: nowMs, repeated: 0 });
    if (kinds.size > MAX_KINDS)
      for (const oldest of [...kinds.keys()].slice(0, kinds.size - MAX_KINDS)) kinds.delete(oldest);
    const more = known === undefined || known.repeated === 0 ? "" : ` (and ${known.repeated} more like the last one)`;
    emit(`${stage}: ${error.message} [${error.code}]${more}`, {
      type: "CmWarning",
      code: error.code,
      detail: causesOf(error),
    });
  };
}

/** Returns the messages of an error's causes, at most five, one per line. */
function causesOf(error: Error): string {
  const lines: string[] = [];
  for (let cause = error.cause; cause instanceof Error && lines.length < 5; cause = cause.cause) {
    lines.push(`caused by ${cause.name}: ${cause.message}`);
  }
  return lines.join("\n");
}
