import type { FailureStage, OnError } from "@cm/protocol";

/** A failure of one kind is warned of once in this time, in milliseconds. */
const QUIET_MS = 60_000;
/** Kinds that are remembered; with more, the oldest is warned of again sooner. */
const MAX_KINDS = 256;

interface Warned {
  readonly atMs: number;
  repeated: number;
}

/**
 * What `onError` is by default: a process warning that names the stage and the code. An
 * outage fails many calls in the same way, one for each partition for example, so failures of
 * one kind share a warning a minute, and the next one says how many there were. A kind is the
 * stage and the code, and the message too where the failure does not pass by itself.
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

/** The messages of what led to an error, each on a line. */
function causesOf(error: Error): string {
  const lines: string[] = [];
  for (let cause = error.cause; cause instanceof Error && lines.length < 5; cause = cause.cause) {
    lines.push(`caused by ${cause.name}: ${cause.message}`);
  }
  return lines.join("\n");
}
