import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type ManagedProcess, type ProcessUsage, startManagedProcess } from "@cm/test-kit";

const MAIN = fileURLToPath(new URL("../../../../apps/gateway/dist/main.js", import.meta.url));

/** Maximum time for a gateway to listen or to end, in milliseconds. */
const PATIENCE_MS = 20_000;

/** Maximum number of log lines kept of one gateway. */
const LOG_LINES_MAX = 10_000;

/** A gateway in its own process. */
export interface GatewayProcess {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** `ws://127.0.0.1:<port>/ws` */
  readonly wsUrl: string;
  readonly port: number;
  readonly pid: number;
  readonly serverId: string;
  /** Whether the gateway has not ended; a paused gateway counts as running. */
  readonly running: boolean;
  /** The last 10,000 lines that the gateway logged. */
  readonly logs: readonly Readonly<Record<string, unknown>>[];
  /** Asks the gateway to close and kills it if that takes too long. Resolves with the exit code. */
  stop(): Promise<number | null>;
  /** Kills the gateway and waits until it has ended. */
  kill(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** Pauses the process; its sockets stay open. */
  pause(): void;
  resume(): void;
  /** Resource usage of the process; Linux only. */
  usage(): Promise<ProcessUsage>;
  /** Resolves with the exit code when the gateway has ended, for whatever reason. */
  readonly exited: Promise<number | null>;
}

/** Starts a gateway on a free port of the loopback address and waits until it listens. */
export async function startGatewayProcess(
  options: {
    readonly env?: Readonly<Record<string, string>>;
    /** A file for the gateway's log, instead of `logs`. `env` must contain its port and server id. */
    readonly logTo?: string;
  } = {},
): Promise<GatewayProcess> {
  const { logTo } = options;
  const logs: Record<string, unknown>[] = [];
  let listens: (entry: Record<string, unknown>) => void = () => undefined;
  const listening = new Promise<Record<string, unknown>>((resolve) => {
    listens = resolve;
  });
  const onLine = (line: string): void => {
    const entry = parseLine(line);
    if (logs.push(entry) > LOG_LINES_MAX) logs.shift();
    if (typeof entry.url === "string") listens(entry);
  };
  const gateway = spawnGateway({ PORT: "0", ...options.env }, onLine, logTo);
  const exited = gateway.ended.then(({ code }) => code);
  const failed = exited.then((code) => {
    throw new Error(`The gateway ended with ${code} before it listened: ${gateway.output}`);
  });
  const entry = await inTime(
    gateway,
    "to listen",
    Promise.race([logTo === undefined ? listening : answering(gateway, options.env), failed]),
  );
  const port = Number(entry.port);
  return {
    url: `http://127.0.0.1:${port}`,
    wsUrl: `ws://127.0.0.1:${port}/ws`,
    port,
    pid: gateway.pid,
    serverId: String(entry.serverId),
    get running() {
      return gateway.running;
    },
    logs,
    exited,
    signal: (signal) => gateway.signal(signal),
    pause: () => gateway.pause(),
    resume: () => gateway.resume(),
    usage: () => gateway.usage(),
    stop: async () => (await gateway.stop(PATIENCE_MS)).code,
    async kill() {
      await gateway.kill();
    },
  };
}

/** Runs a gateway that is expected to end by itself. Resolves with the exit code and the end of its output. */
export async function runGatewayToItsEnd(
  env: Readonly<Record<string, string>>,
): Promise<{ readonly code: number | null; readonly output: string }> {
  const gateway = spawnGateway(env);
  const { code } = await inTime(gateway, "to end", gateway.ended);
  return { code, output: gateway.output };
}

/**
 * Waits until the gateway responds. Returns its port and server id from its environment, because its log is in a
 * file. Rejects if the gateway ends before.
 */
async function answering(
  gateway: ManagedProcess,
  { PORT = "", SERVER_ID = "" }: Readonly<Record<string, string>> = {},
): Promise<Readonly<Record<string, unknown>>> {
  while (gateway.running) {
    const answer = await fetch(`http://127.0.0.1:${PORT}/healthz`).catch(() => undefined);
    if (answer?.ok) return { port: PORT, serverId: SERVER_ID };
    await sleep(20);
  }
  throw new Error("The gateway ended before it responded.");
}

function spawnGateway(
  env: Readonly<Record<string, string>>,
  onLine?: (line: string) => void,
  logTo?: string,
): ManagedProcess {
  const { PATH = "" } = process.env;
  const redirected = ["-c", 'exec "$0" "$1" > "$2"', process.execPath, MAIN, logTo ?? ""];
  return startManagedProcess({
    command: logTo === undefined ? process.execPath : "sh",
    args: logTo === undefined ? [MAIN] : redirected,
    // Pass only the path of the caller's environment, so that a stray REDIS_URL does not affect a test. Set no
    // grace period and no drain time, so that users are offline at once and connections are closed at once;
    // tests about them pass other values.
    env: { PATH, OFFLINE_GRACE_MS: "0", DRAIN_SECONDS: "0", ...env },
    ...(onLine === undefined ? {} : { onLine }),
  });
}

function parseLine(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line) as Record<string, unknown>; // The gateway's own log lines are objects.
  } catch {
    return { msg: line };
  }
}

/** Waits for a promise; kills the gateway if the promise rejects or takes too long. */
async function inTime<T>(gateway: ManagedProcess, what: string, promise: Promise<T>): Promise<T> {
  const waiting = new AbortController();
  const tooLong = sleep(PATIENCE_MS, undefined, { signal: waiting.signal }).then(() => {
    throw new Error(`The gateway took too long ${what}: ${gateway.output}`);
  });
  try {
    return await Promise.race([promise, tooLong]);
  } catch (error) {
    await gateway.kill();
    throw error;
  } finally {
    waiting.abort();
  }
}
