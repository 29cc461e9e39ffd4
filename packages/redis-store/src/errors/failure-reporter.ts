import type { CmError, FailureStage, OnError } from "@cm/protocol";
import { replyCode } from "./store-error.js";

/**
 * Maximum number of kinds of each stage that are reported and remembered, because each key with foreign data is a
 * kind.
 */
const KINDS_MAX = 1_000;

/**
 * Reports each kind of failure once, until {@link FailureReporter.forget} is called. Clients retry repeatedly, and
 * each attempt fails like the last one, so further reports would add nothing.
 */
export class FailureReporter {
  readonly #onError: OnError;
  /** The reported kinds of failures of each stage. */
  readonly #reported = new Map<FailureStage, Set<string>>();

  constructor(onError: OnError) {
    this.#onError = onError;
  }

  /** Reports the error unless one of its kind was reported since {@link forget}. */
  once(error: CmError, stage: FailureStage): void {
    const reported = this.#reported.get(stage) ?? new Set();
    const kind = `${error.code} ${cause(error)}`;
    if (reported.has(kind) || reported.size >= KINDS_MAX) return;
    this.#reported.set(stage, reported.add(kind));
    this.#onError(error, { stage });
  }

  /** Reports the error even if one of its kind was reported before. */
  always(error: CmError, stage: FailureStage): void {
    this.#onError(error, { stage });
  }

  /** Lets failures of this stage be reported again, because its outage is over. */
  forget(stage: FailureStage): void {
    this.#reported.delete(stage);
  }
}

/**
 * Distinguishes failures with the same code. The message is not used, because it may contain a port or a
 * time.
 */
function cause(error: CmError): string {
  if (error.code === "store-corrupt") return error.message;
  const reply = replyCode(error.cause);
  if (reply !== undefined) return reply;
  const by = error.cause;
  if (!(by instanceof Error)) return "";
  return "code" in by ? String(by.code) : by.name;
}
