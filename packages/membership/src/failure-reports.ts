import { type CmError, type OnError, toCmError } from "@cm/protocol";
import { isPermanentError, PermanentErrors } from "./projection/permanent-errors.js";

/** Reports the failures of background work, which no caller waits for. */
export class FailureReports {
  readonly #onError: OnError;
  #isShuttingDown = false;
  /** Reports permanent errors of background writes. */
  readonly permanentErrors = new PermanentErrors((error) => this.report(error, "projection"));

  constructor(onError: OnError) {
    this.#onError = onError;
  }

  /** Ignores `closed` errors from now on, because the shutdown causes them. */
  shutdownBegins(): void {
    this.#isShuttingDown = true;
  }

  report(cause: unknown, stage: "projection" | "lease" | "reaping"): void {
    const error = toCmError(cause, "internal", "A background task of the membership failed.");
    if (!this.#isShuttingDown || error.code !== "closed") this.#onError(error, { stage });
  }

  /** Reports a failed heartbeat. */
  heartbeatFailed(error: CmError): void {
    this.#onError(error, { stage: "heartbeat" });
  }

  /** Reports a failed task of a heartbeat: permanent errors once an hour, other errors each time. */
  taskFailed(cause: unknown): void {
    if (isPermanentError(cause)) this.permanentErrors.report(cause);
    else this.report(cause, "projection");
  }

  /** Runs one task of a heartbeat. A failure is reported and does not prevent the other tasks from running. */
  async attempt(task: () => Promise<unknown>): Promise<void> {
    try {
      await task();
    } catch (cause) {
      this.taskFailed(cause);
    }
  }
}
