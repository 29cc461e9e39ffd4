import type { CmError, FailureStage, OnError } from "@cm/protocol";
import { replyCode } from "./store-error.js";

/** Kinds that are told at most; keys with foreign data may be many. */
const KINDS_MAX = 1_000;

/**
 * Tells each kind of failure of an outage once. Clients try again and again, and each try
 * fails like the last one; who is told once a second what is wrong learns nothing more.
 */
export class FailureReports {
  readonly #onError: OnError;
  readonly #told = new Set<string>();

  constructor(onError: OnError) {
    this.#onError = onError;
  }

  /** Tells it where none of its kind was told since {@link forget}. */
  once(error: CmError, stage: FailureStage): void {
    const kind = `${stage} ${error.code} ${cause(error)}`;
    if (this.#told.has(kind) || this.#told.size >= KINDS_MAX) return;
    this.#told.add(kind);
    this.#onError(error, { stage });
  }

  /** Tells it, whatever was told before. */
  always(error: CmError, stage: FailureStage): void {
    this.#onError(error, { stage });
  }

  /** The outage of this stage is over: its failures are news again. */
  forget(stage: FailureStage): void {
    for (const kind of this.#told) if (kind.startsWith(`${stage} `)) this.#told.delete(kind);
  }
}

/** What tells failures of one code apart. Not the message, which may name a port or a moment. */
function cause(error: CmError): string {
  if (error.code === "store-corrupt") return error.message;
  const reply = replyCode(error.cause);
  if (reply !== undefined) return reply;
  const by = error.cause;
  if (!(by instanceof Error)) return "";
  return "code" in by ? String(by.code) : by.name;
}
