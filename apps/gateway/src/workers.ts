import { type ChildProcess, fork } from "node:child_process";
import { createServer } from "node:net";
import { CmError } from "@cm/protocol";
import type { GatewayConfig } from "./config/gateway-config.js";
import type { Logger } from "./log.js";

/** A worker that fails again and again is started at most this often. */
const RESTART_DELAYS_MS = [100, 500, 2_000, 5_000, 10_000] as const;

/** A worker that lived so long had started well. */
const LIVED_WELL_MS = 60_000;

/** The server processes that share one port. */
export interface Workers {
  /** Asks all of them to close and waits for it. Idempotent. */
  close(): Promise<void>;
}

/**
 * Starts `config.workers` processes of this program on one port. The kernel spreads new
 * connections over them. A worker that dies is started again, with growing delay.
 * Throws `port-in-use`.
 */
export async function startWorkers(config: GatewayConfig, script: string, log: Logger): Promise<Workers> {
  await requireFreePort(config.listenHost, config.port);
  const running = new Map<number, ChildProcess>();
  const restarts = new Set<NodeJS.Timeout>();
  let closing: Promise<void> | undefined;

  const start = (index: number, attempt: number): void => {
    const child = fork(script, { env: { ...process.env, CM_WORKER: String(index) } });
    const startedAt = Date.now();
    running.set(index, child);
    child.once("exit", (code, signal) => {
      running.delete(index);
      if (closing !== undefined) return;
      const failures = Date.now() - startedAt > LIVED_WELL_MS ? 0 : attempt;
      const delayMs = RESTART_DELAYS_MS[Math.min(failures, RESTART_DELAYS_MS.length - 1)] ?? 0;
      log.error({ worker: index, code, signal, delayMs }, "a worker ended; it is started again");
      const timer = setTimeout(() => {
        restarts.delete(timer);
        start(index, failures + 1);
      }, delayMs);
      restarts.add(timer);
    });
  };
  for (let index = 1; index <= config.workers; index++) start(index, 0);

  const end = async (): Promise<void> => {
    for (const timer of restarts) clearTimeout(timer);
    await Promise.all([...running.values()].map(endWorker));
  };
  return {
    close: () => {
      closing ??= end();
      return closing;
    },
  };
}

function endWorker(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.kill("SIGTERM");
  });
}

/** Workers share the port among themselves, which would let strangers share it too: look first. */
function requireFreePort(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", (cause) => {
      reject(new CmError("port-in-use", `Another process listens on ${host}:${port}.`, { cause }));
    });
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve()));
  });
}
