import { CmError } from "@cm/protocol";
import { storeClosed } from "@cm/protocol/store";
import type { Cluster, Redis } from "ioredis";
import { replyCode, toStoreError } from "../errors/store-error.js";
import type { SubscriberEvents } from "../link/verified-subscriber.js";

/** Events that report a failure: a Cluster client reports a failing node with a separate event. */
const FAILURES = ["error", "node error"] as const;

/** Maximum number of addresses that an error names. */
const NAMED_MAX = 3;

/**
 * Settles like `work`, but rejects with `closed` as soon as `signal` is aborted, also if it was aborted before. The
 * outcome of `work` is then ignored.
 */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(storeClosed());
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort);
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/**
 * Resolves once the client is ready, however many attempts it takes. Rejects after the timeout with `unavailable`,
 * or with `options-invalid` if Redis is no Cluster; rejects with `closed` when `signal` is aborted.
 */
export function untilReady(client: Redis | Cluster, timeoutMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.reject(storeClosed());
  if (client.status === "ready") return Promise.resolve();
  return new Promise((resolve, reject) => {
    let last: unknown;
    /** The latest failure of each node of a Cluster, by `host:port`. */
    const byNode = new Map<string, unknown>();
    const keep = (error: unknown, node?: string): void => {
      if (node === undefined) last = error;
      else byNode.set(node, error);
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
      const message = `Redis could not be reached within ${timeoutMs} ms.`;
      reject(nodesFailed(message, byNode) ?? sentinelsFailed(message, client, last) ?? startFailed(message, last));
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

  /**
   * Resolves once the condition holds, which is checked now and after each change. Rejects with `unavailable`
   * after the timeout, and with `closed` when `signal` is aborted.
   */
  until(condition: () => boolean, timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(storeClosed());
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
        reject(startFailed(`No published message arrived within ${timeoutMs} ms.`, this.#last));
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
 * Creates the error of a failed start for a Cluster of which no node gave its slots. The Cluster client's own
 * error names no node and no reason.
 */
function nodesFailed(message: string, byNode: ReadonlyMap<string, unknown>): CmError | undefined {
  const causes = [...byNode.values()];
  const [cause] = causes;
  const reply = causes.find((each) => replyCode(each) !== undefined);
  if (reply instanceof Error && reply.message.includes("cluster support disabled")) return notACluster();
  if (reply !== undefined) return toStoreError(reply);
  if (byNode.size === 0) return undefined;
  const named = [...byNode].slice(0, NAMED_MAX).map(([node, error]) => `${node} (${textOf(error)})`);
  const others = byNode.size > NAMED_MAX ? ` and ${byNode.size - NAMED_MAX} more` : "";
  const advice = "Check that they run, that this process can reach them, and that redis+cluster is meant.";
  const what = `none of these nodes of the Cluster gave its slots: ${named.join(", ")}${others}. ${advice}`;
  return new CmError("unavailable", `${withoutDot(message)}: ${what}`, { cause });
}

/** Creates the error of a failed start for a master that no Sentinel named. */
function sentinelsFailed(message: string, client: Redis | Cluster, cause: unknown): CmError | undefined {
  if (!("sentinels" in client.options) || replyCode(cause) !== undefined) return undefined;
  const { sentinels, name } = client.options;
  if (!sentinels) return undefined;
  const addresses = sentinels.slice(0, NAMED_MAX).map(({ host, port }) => `${host ?? "localhost"}:${port ?? 26_379}`);
  const others = sentinels.length > NAMED_MAX ? ` and ${sentinels.length - NAMED_MAX} more` : "";
  const reason = cause instanceof Error ? ` (${textOf(cause)})` : "";
  const what = `the Sentinels ${addresses.join(", ")}${others} led to no reachable master "${name}"${reason}`;
  return new CmError("unavailable", `${withoutDot(message)}: ${what}.`, { cause });
}

function notACluster(): CmError {
  const message = "Redis does not run as a Cluster at this address; use redis:// instead of redis+cluster://.";
  return new CmError("options-invalid", message, { details: { field: "url", problem: message } });
}

function textOf(error: unknown): string {
  return error instanceof Error ? withoutDot(error.message) : "no answer";
}

function withoutDot(text: string): string {
  return text.replace(/\.$/, "");
}

/**
 * Creates the error of a failed start. If Redis replied with an error, that error is used, because it says
 * more than the timeout.
 */
function startFailed(message: string, cause: unknown): CmError {
  if (replyCode(cause) !== undefined) return toStoreError(cause);
  if (!(cause instanceof Error)) return new CmError("unavailable", message);
  return new CmError("unavailable", `${withoutDot(message)}: ${textOf(cause)}.`, { cause });
}
