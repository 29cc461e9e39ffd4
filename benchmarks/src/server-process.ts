import { type ChildProcess, spawn } from "node:child_process";
import { connect } from "node:net";
import { eventually, freePort, guard } from "@cm/test-kit";
import type { Contender } from "./contenders.js";

/** One server process of a contender, accepting connections. */
export interface ServerProcess {
  readonly pid: number;
  /** URL of the WebSocket endpoint. */
  readonly url: string;
  /** Ends the process. Resolves when it is gone. */
  stop(): Promise<void>;
}

/** Time within which a server must accept connections, in milliseconds; enough for a busy machine. */
const START_TIMEOUT_MS = 60_000;

/** Time after which a server that has not ended is killed, in milliseconds. */
const STOP_TIMEOUT_MS = 10_000;

/** Options of {@link startServerProcess}. */
export interface ServerProcessOptions {
  /** Arguments that are passed to Node.js before the program. */
  readonly nodeArgs?: readonly string[];
  /** Environment variables in addition to those of the contender. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Starts one server process. Resolves when its port accepts connections. */
export async function startServerProcess(
  contender: Contender,
  index: number,
  redisUrl: string,
  { nodeArgs = [], environment = {} }: ServerProcessOptions = {},
): Promise<ServerProcess> {
  const port = await freePort();
  const child = spawn(process.execPath, [...nodeArgs, contender.program], {
    env: { ...process.env, ...contender.environment(index), ...environment, PORT: String(port), REDIS_URL: redisUrl },
    stdio: ["ignore", "ignore", "inherit"],
  });
  guard(child);
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const stop = () => stopProcess(child, exited);
  try {
    await eventually(() => answers(port, child), { timeoutMs: START_TIMEOUT_MS });
  } catch (error) {
    await stop();
    throw error;
  }
  if (child.pid === undefined) throw new Error("The server process could not be started.");
  return { pid: child.pid, url: `ws://127.0.0.1:${port}${contender.path}`, stop };
}

function answers(port: number, child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    if (child.exitCode !== null) reject(new Error(`The server ended with ${child.exitCode}.`));
    const probe = connect(port, "127.0.0.1", () => {
      probe.destroy();
      resolve();
    });
    probe.once("error", reject);
  });
}

async function stopProcess(child: ChildProcess, exited: Promise<void>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
}
