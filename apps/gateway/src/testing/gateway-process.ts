import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

/** How long a gateway may take to listen, or to end. */
const PATIENCE_MS = 20_000;

/** A gateway running as a process of its own. */
export interface GatewayProcess {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** `ws://127.0.0.1:<port>/ws` */
  readonly wsUrl: string;
  readonly port: number;
  readonly pid: number;
  readonly serverId: string;
  /** Every line that it logged so far. */
  readonly logs: readonly Readonly<Record<string, unknown>>[];
  /** Asks it to close and waits; the exit code. */
  stop(): Promise<number | null>;
  /** Ends it at once and waits. */
  kill(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** Settles with the exit code when it has ended, by whoever. */
  readonly exited: Promise<number | null>;
}

/** Starts a gateway on a free port of the loopback address and waits until it listens. */
export async function startGatewayProcess(
  options: { readonly env?: Readonly<Record<string, string>> } = {},
): Promise<GatewayProcess> {
  const child = spawnGateway({ PORT: "0", ...options.env });
  const logs: Record<string, unknown>[] = [];
  const exited = once(child, "exit").then(([code]) => code as number | null); // The event's first argument, by Node's contract.
  const listening = new Promise<Record<string, unknown>>((resolve) => {
    if (child.stdout === null) return;
    createInterface({ input: child.stdout }).on("line", (line) => {
      const entry = parseLine(line);
      logs.push(entry);
      if (typeof entry.url === "string") resolve(entry);
    });
  });
  const entry = await Promise.race([
    listening,
    exited.then((code) => {
      throw new Error(`The gateway ended with ${code} before it listened: ${JSON.stringify(logs.at(-1))}`);
    }),
    patience("to listen"),
  ]);
  const port = Number(entry.port);
  const pid = child.pid ?? 0;
  return {
    url: `http://127.0.0.1:${port}`,
    wsUrl: `ws://127.0.0.1:${port}/ws`,
    port,
    pid,
    serverId: String(entry.serverId),
    logs,
    exited,
    signal: (signal) => void child.kill(signal),
    async stop() {
      child.kill("SIGTERM");
      return Promise.race([exited, patience("to close")]);
    },
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

/** Runs a gateway that is expected to end by itself; what it wrote and how it ended. */
export async function runGatewayToItsEnd(
  env: Readonly<Record<string, string>>,
): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawnGateway(env);
  let output = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [code] = (await Promise.race([once(child, "close"), patience("to end")])) as [number | null]; // By Node's contract.
  return { code, output };
}

function spawnGateway(env: Readonly<Record<string, string>>): ChildProcess {
  const { PATH = "" } = process.env;
  // Nothing of the caller's environment but the path: a stray REDIS_URL must not decide a test.
  // Users are offline at once, so that a test sees what is left; one about grace sets its own.
  return spawn(process.execPath, [MAIN], {
    env: { PATH, OFFLINE_GRACE_MS: "0", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

function parseLine(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line) as Record<string, unknown>; // The gateway's own log lines are objects.
  } catch {
    return { msg: line };
  }
}

function patience(what: string): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`The gateway took too long ${what}.`)), PATIENCE_MS).unref();
  });
}
