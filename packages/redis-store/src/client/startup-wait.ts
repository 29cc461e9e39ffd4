import { CmError } from "@cm/protocol";
import type { Cluster, Redis } from "ioredis";
import { replyCode, storeClosed, toStoreError } from "../errors/store-error.js";
import type { SubscriberEvents } from "../link/verified-subscriber.js";

/** Events that report a failure: a Cluster client reports a failing node with a separate event. */
const FAILURES = ["error", "node error"] as const;

/**
 * Resolves once the client is ready, however many attempts it takes. Rejects with `unavailable` after the
 * timeout.
 */
export function untilReady(client: Redis | Cluster, timeoutMs: number, signal: AbortSignal): Promise<void> {
  if (client.status === "ready") return Promise.resolve();
  return new Promise((resolve, reject) => {
    let last: unknown;
    const keep = (error: unknown): void => {
      last = error;
    };
    const settle = (): void => {
      clearTimeout(timer);
      client.off("ready", onReady);
      for (const event of FAILURES) client.off(event, keep);
      signal.removeEventListener("abort", onAbort);
    };
    const onAbort = (): void => {
      settle();
      reject(storeClosed());
    };
    const onReady = (): void => {
      settle();
      resolve();
    };
    const timer = setTimeout(() => {
      settle();
      reject(startFailed(`Redis could not be reached within ${timeoutMs} ms.`, last));
    }, timeoutMs);
    client.on("ready", onReady);
    for (const event of FAILURES) client.on(event, keep);
    signal.addEventListener("abort", onAbort);
    if (client.status === "wait") client.connect().catch(keep);
  });
}

/** Observes the events of connections while they start, and forwards them. */
export class Changes {
  readonly events: Pick<SubscriberEvents, "changed" | "failed">;
  #look: (() => void) | undefined;
  #last: unknown;

  constructor(events: Pick<SubscriberEvents, "changed" | "failed">) {
    this.events = {
      changed: () => {
        events.changed();
        this.#look?.();
      },
      failed: (error) => {
        this.#last = error;
        events.failed(error);
      },
    };
  }

  /** Resolves once the condition holds after a change. Rejects with `unavailable` after the timeout. */
  until(condition: () => boolean, timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        this.#look = undefined;
        signal.removeEventListener("abort", onAbort);
      };
      const onAbort = (): void => {
        settle();
        reject(storeClosed());
      };
      const timer = setTimeout(() => {
        settle();
        reject(startFailed(`What is published did not come through within ${timeoutMs} ms.`, this.#last));
      }, timeoutMs);
      this.#look = () => {
        if (!condition()) return;
        settle();
        resolve();
      };
      signal.addEventListener("abort", onAbort);
    });
  }
}

/**
 * Creates the error of a failed start. If Redis replied with an error, that error is used, because it says
 * more than the timeout.
 */
function startFailed(message: string, cause: unknown): CmError {
  if (replyCode(cause) !== undefined) return toStoreError(cause);
  if (!(cause instanceof Error)) return new CmError("unavailable", message);
  return new CmError("unavailable", `${message.replace(/\.$/, "")}: ${cause.message.replace(/\.$/, "")}.`, { cause });
}
