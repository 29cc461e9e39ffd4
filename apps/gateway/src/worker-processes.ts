import { type ChildProcess, fork } from "node:child_process";
import { createServer } from "node:net";
import { CmError } from "@cm/protocol";
import { listenFailure } from "@cm/transport";
import type { GatewayConfig } from "./config/gateway-config.js";
import { WORKER_STARTS_MAX } from "./config/worker-number.js";
import type { Logger } from "./log/program-log.js";
import { HURRY, STOP_SIGNALS, stopped } from "./stop-request.js";

/**
 * Delay before the restart of a worker that ended after it had begun to listen, in milliseconds, by its number of
 * failures in a row.
 */
const RESTART_DELAYS_MS = [100, 500, 2_000, 5_000, 10_000] as const;

/**
 * Time for which a worker must run, in milliseconds, to count as started successfully, which resets its number
 * of failures.
 */
const LIVED_WELL_MS = 60_000;

/**
 * Time after a worker's deadline at which the worker is killed if it has not ended, in milliseconds. Workers
 * observe the deadline themselves.
 */
export const WORKER_END_GRACE_MS = 1_000;

/** Message by which a worker reports that it listens. */
const LISTENING = "listening";

/** The part of a logger that is used here. */
type WorkerLog = Pick<Logger, "info" | "error">;

/** The server processes that share one port. */
export interface Workers {
  /** Makes each worker drain and close, and waits until all have ended. Idempotent. */
  drain(): Promise<void>;
  /**
   * Makes the workers that still run close without a drain, and waits until all have ended. Rejects if a worker
   * did not end cleanly. Idempotent.
   */
  close(): Promise<void>;
}

/**
 * Starts `config.workers` processes of this program on one port, and resolves when all of them listen. The
 * kernel distributes new connections among them. A worker that ends after that is restarted, with increasing
 * delays and under a new id, because the worker's previous id may be taken until its lease has expired. A
 * worker that another server has drained is replaced too.
 *
 * If a worker ends before it has listened, restarting it would not help: all workers are closed, and the result
 * is the exit code of that worker.
 *
 * Rejects with `port-in-use`, with `options-invalid` if the address does not belong to this machine, and with
 * the abort reason of `stop` if `stop` was aborted before all workers listened.
 */
export async function startWorkers(
  config: GatewayConfig,
  script: string,
  log: WorkerLog,
  stop: AbortSignal,
): Promise<Workers | number> {
  await requireFreePort(config.listenHost, config.port);
  stop.throwIfAborted();
  const pool = new WorkerPool(config, script, log);
  const exitCode = await Promise.race([pool.start(), stopped(stop)]);
  if (exitCode === undefined && !stop.aborted) return pool;
  if (exitCode === undefined) {
    await pool.close();
    throw stop.reason;
  }
  // Only log the failures of the other workers, which may have the same reason: the result is the first
  // failure.
  await pool.close().catch((error: unknown) => log.error({ err: error }, "closing the workers failed"));
  return exitCode;
}

/** Call this in a worker once it listens. */
export function reportListening(): void {
  // Ignore the error if the parent is gone: the closed channel is detected in `listenForStop`.
  process.send?.(LISTENING, undefined, undefined, () => undefined);
}

class WorkerPool implements Workers {
  readonly #config: GatewayConfig;
  readonly #script: string;
  readonly #log: WorkerLog;
  readonly #running = new Map<number, ChildProcess>();
  readonly #restarts = new Set<NodeJS.Timeout>();
  /** Numbers of the workers that have listened at least once, including before a restart. */
  readonly #proven = new Set<number>();
  #settle: (exitCode: number | undefined) => void = () => undefined;
  /** Resolves with whether each worker ended cleanly; `undefined` until the workers have been asked to end. */
  #ends: Promise<readonly boolean[]> | undefined;
  #closing: Promise<void> | undefined;

  constructor(config: GatewayConfig, script: string, log: WorkerLog) {
    this.#config = config;
    this.#script = script;
    this.#log = log;
  }

  /** Resolves when all workers listen, or with the exit code of the first one that ended before it listened. */
  start(): Promise<number | undefined> {
    const settled = new Promise<number | undefined>((resolve) => {
      this.#settle = resolve;
    });
    for (let index = 1; index <= this.#config.workers; index++) this.#fork(index, 1, 0);
    return settled;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #fork(index: number, start: number, failures: number): void {
    const child = fork(this.#script, {
      env: {
        ...process.env,
        SERVER_ID: this.#config.serverId,
        CM_WORKER: start === 1 ? `${index}` : `${index}-${start}`,
      },
    });
    const startedAt = performance.now();
    this.#running.set(index, child);
    child.on("message", (message) => {
      if (message === LISTENING) this.#onListening(index);
    });
    const onEnd = (code: number | null, signal: NodeJS.Signals | null): void => {
      this.#running.delete(index);
      if (this.#ends !== undefined) return;
      const facts = { worker: index, pid: child.pid, code, signal };
      if (!this.#proven.has(index)) {
        this.#log.error(facts, "a worker exited before it was listening; all workers are closed");
        // The worker was not asked to end, so even an exit code of 0 is a failure.
        this.#settle(code || 1);
        return;
      }
      const inARow = performance.now() - startedAt > LIVED_WELL_MS ? 0 : failures;
      const delayMs = RESTART_DELAYS_MS[Math.min(inARow, RESTART_DELAYS_MS.length - 1)] ?? 0;
      if (code === 0) this.#log.info({ ...facts, delayMs }, "a worker was drained; it is restarted");
      else this.#log.error({ ...facts, delayMs }, "a worker exited; it is restarted");
      const timer = setTimeout(() => {
        this.#restarts.delete(timer);
        this.#fork(index, start < WORKER_STARTS_MAX ? start + 1 : 2, inARow + 1);
      }, delayMs);
      this.#restarts.add(timer);
    };
    child.once("exit", onEnd);
    child.on("error", (error) => {
      this.#log.error({ err: error, worker: index }, "a worker could not be started or messaged");
      // Handle a process that could not be started here, because it emits no `exit` event.
      if (child.pid === undefined) onEnd(null, null);
    });
  }

  #onListening(index: number): void {
    this.#proven.add(index);
    if (this.#proven.size === this.#config.workers) this.#settle(undefined);
  }

  async drain(): Promise<void> {
    await this.#end(this.#config.drainMs + this.#config.shutdownTimeoutMs);
  }

  async #close(): Promise<void> {
    const ends = this.#end(this.#config.shutdownTimeoutMs);
    const running = [...this.#running.values()];
    // Ignore the error of a worker that has already ended.
    for (const child of running) child.send(HURRY, () => undefined);
    const timer = setTimeout(
      () => running.forEach((child) => void child.kill("SIGKILL")),
      this.#config.shutdownTimeoutMs + WORKER_END_GRACE_MS,
    );
    const unclean = (await ends).filter((clean) => !clean).length;
    clearTimeout(timer);
    if (unclean > 0) throw new CmError("internal", `${unclean} of the workers did not close cleanly.`);
  }

  /**
   * Asks all workers to end, and kills those that have not ended within `withinMs`. Further calls return the
   * promise of the first call.
   */
  #end(withinMs: number): Promise<readonly boolean[]> {
    for (const timer of this.#restarts) clearTimeout(timer);
    // A process that could not be started never ends. Node.js reports it in a later turn.
    const started = [...this.#running.values()].filter(({ pid }) => pid !== undefined);
    this.#ends ??= Promise.all(started.map((child) => endWorker(child, withinMs + WORKER_END_GRACE_MS)));
    return this.#ends;
  }
}

/** Asks a worker to end. Resolves once it has ended, with whether it ended cleanly. */
function endWorker(child: ChildProcess, killAfterMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), killAfterMs);
    child.once("exit", (code, signal) => {
      clearTimeout(timer);
      // Also accept a signal as the cause: a worker that was still being loaded is ended by the signal itself,
      // which a terminal sends to all processes at once.
      resolve(code === 0 || (signal !== null && STOP_SIGNALS.includes(signal)));
    });
    child.kill("SIGTERM");
  });
}

/**
 * Rejects if the port is in use. The check is needed because the workers share the port, and would also share
 * it with another program that listens on it.
 */
function requireFreePort(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", ({ code }: NodeJS.ErrnoException) => reject(listenFailure({ host, port }, code)));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve()));
  });
}
