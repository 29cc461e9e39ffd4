import { isCmError } from "@cm/protocol";
import { readGatewayConfig } from "./config/config-reader.js";
import type { GatewayConfig } from "./config/gateway-config.js";
import { EXIT } from "./exit-codes.js";
import { createGateway } from "./gateway.js";
import { userOf } from "./http/user-query.js";
import { createLog, type Logger, type ProgramLog } from "./log/program-log.js";
import { type StopRequest, stopped } from "./stop-request.js";
import { printError } from "./terminal-output.js";
import { reportListening, startWorkers, WORKER_END_GRACE_MS } from "./worker-processes.js";

/** Maximum time that the process waits at its end for the log to be written, in milliseconds. */
const LOG_FLUSH_MS = 250;

/**
 * The gateway or the worker processes that have been started. They are closed on request or if they can't
 * continue.
 */
interface Running {
  readonly expelled?: Promise<Error>;
  readonly drainAsked?: Promise<void>;
  drain(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Runs a gateway, or its worker processes, until it is asked to stop, which may happen at any time. `script` is
 * the program that a worker runs. Resolves with the exit code.
 */
export async function runProgram(script: string, request: StopRequest): Promise<number> {
  let config: GatewayConfig;
  try {
    config = readGatewayConfig(process.env);
  } catch (error) {
    printError(error);
    return EXIT.config;
  }
  const programLog = createLog(config);
  const exitCode = await runConfigured(config, script, request, programLog);
  await programLog.output.flush(LOG_FLUSH_MS);
  return exitCode;
}

async function runConfigured(
  config: GatewayConfig,
  script: string,
  { stop, hurry }: StopRequest,
  programLog: ProgramLog,
): Promise<number> {
  const { log } = programLog;
  // Log the warnings only once, not in each worker.
  if (config.worker === undefined) for (const warning of config.warnings) log.warn(warning);
  process.on("unhandledRejection", (error) => {
    log.fatal({ err: error }, "a promise rejection was not handled");
    process.exit(EXIT.fault);
  });
  const isPrimary = config.workers > 1 && config.worker === undefined;
  let deadline: NodeJS.Timeout | undefined;
  const endWithin = (ms: number): void => {
    clearTimeout(deadline);
    // Workers observe the deadline themselves; the extra time lets this process kill those that can't.
    deadline = setTimeout(giveUp, ms + (isPrimary ? 2 * WORKER_END_GRACE_MS : 0));
  };
  const giveUp = (): void => {
    log.error("closing took too long; the remaining entries in the store expire with the lease");
    process.exit(EXIT.fault);
  };
  const onStop = (): void => {
    log.info({ signal: stop.reason }, "asked to stop");
    endWithin(config.shutdownTimeoutMs);
  };
  if (stop.aborted) onStop();
  else stop.addEventListener("abort", onStop, { once: true });

  try {
    const running = await (isPrimary ? runWorkers(config, script, log, stop) : runServer(config, programLog, stop));
    if (typeof running === "number") return running;
    const never = new Promise<undefined>(() => undefined);
    const lost = running.expelled ?? never;
    let expelled = await Promise.race([stopped(stop), running.drainAsked ?? never, lost]);
    if (expelled === undefined && !hurry.aborted) {
      log.info({ overMs: config.drainMs }, "draining");
      endWithin(config.drainMs + config.shutdownTimeoutMs);
      expelled = await Promise.race([running.drain(), stopped(hurry), lost]);
    }
    if (expelled !== undefined) log.fatal({ err: expelled }, "another process has taken over this server's id");
    log.info("closing");
    endWithin(config.shutdownTimeoutMs);
    await running.close();
    log.info("closed");
    return expelled === undefined ? EXIT.ok : EXIT.fault;
  } catch (error) {
    if (!stop.aborted || error !== stop.reason) return fail(error, log);
    // Treat a start that a stop request has interrupted as a clean end: it has undone what it had begun.
    log.info("closed");
    return EXIT.ok;
  }
}

async function runServer(config: GatewayConfig, { log, output }: ProgramLog, stop: AbortSignal): Promise<Running> {
  const { workers, worker, logLevel: _, logFormat: __, warnings: ___, shutdownTimeoutMs: ____, ...rest } = config;
  const gateway = createGateway({
    ...rest,
    // Without tokens clients may claim to be any user. The configuration allows that only on a loopback address
    // or with `OPEN`.
    ...(config.tokens === undefined ? { authenticate: ({ query }) => ({ userId: userOf(query) }) } : {}),
    logger: {
      info: (fields, message) => log.info(fields, message),
      warn: (fields, message) => log.warn(fields, message),
      error: (fields, message) => log.error(fields, message),
      droppedLines: () => output.dropped,
    },
    sharePort: workers > 1,
  });
  // Redis may take long to become available, so a stop request closes the gateway without waiting for the
  // start.
  const giveUp = (): void => void gateway.close();
  stop.addEventListener("abort", giveUp, { once: true });
  let address: { readonly host: string; readonly port: number };
  try {
    stop.throwIfAborted();
    address = await gateway.start();
    stop.throwIfAborted();
  } catch (error) {
    await gateway.close();
    stop.throwIfAborted();
    throw error;
  } finally {
    stop.removeEventListener("abort", giveUp);
  }
  const store = config.redisUrl === undefined ? "memory" : "redis";
  const url = urlOf(address.host, address.port);
  log.info({ url, port: address.port, pid: process.pid, store }, `listening; open ${url} in a browser`);
  if (worker !== undefined) reportListening();
  return gateway;
}

async function runWorkers(
  config: GatewayConfig,
  script: string,
  log: Logger,
  stop: AbortSignal,
): Promise<Running | number> {
  const workers = await startWorkers(config, script, log, stop);
  if (typeof workers !== "number") log.info({ workers: config.workers, port: config.port }, "workers started");
  return workers;
}

function urlOf(host: string, port: number): string {
  if (host === "0.0.0.0" || host === "::") return `http://localhost:${port}`;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function fail(error: unknown, log: Logger): number {
  if (isCmError(error) && error.code === "options-invalid") {
    printError(error);
    return EXIT.config;
  }
  log.fatal({ err: error, code: isCmError(error) ? error.code : undefined }, "the gateway failed");
  return EXIT.fault;
}
