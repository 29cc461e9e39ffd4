import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const MAIN = fileURLToPath(new URL("../../../../apps/gateway/dist/main.js", import.meta.url));

/** A line that a gateway logged. */
export type LogLine = Readonly<Record<string, unknown>>;

/** How a program and all processes that it started ended. */
export interface ProgramEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** The gateway's program after its start. It may have ended since. */
export interface GatewayProgram {
  readonly child: ChildProcess;
  readonly logs: readonly LogLine[];
  /**
   * Resolves when the program and every process that it started have ended: the output stays open until all of
   * them have ended.
   */
  readonly ended: Promise<ProgramEnd>;
  /** Waits for the `nth` matching line, counted from the first line. */
  line(fits: (line: LogLine) => boolean, nth?: number): Promise<LogLine>;
}

/**
 * Runs the program without a grace period or a drain; the only variable that it inherits from the caller's
 * environment is the path. Processes that are left after the test are killed. A concurrent test must pass its
 * own `onTestFinished`, because the global one does not know which test is running.
 */
export function runGatewayProgram(
  env: Readonly<Record<string, string>>,
  afterTest: (stop: () => void) => void = onTestFinished,
): GatewayProgram {
  const { PATH = "" } = process.env;
  const child = spawn(process.execPath, [MAIN], {
    env: { PATH, OFFLINE_GRACE_MS: "0", DRAIN_SECONDS: "0", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const logs: LogLine[] = [];
  const pids = new Set<number>();
  let stderr = "";
  const listeners: (() => void)[] = [];
  createInterface({ input: child.stdout }).on("line", (text) => {
    const line = parse(text);
    logs.push(line);
    if (typeof line.pid === "number") pids.add(line.pid);
    for (const listener of listeners.splice(0)) listener();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  let isOver = false;
  const ended = once(child, "close").then(([code, signal]): ProgramEnd => {
    isOver = true;
    for (const listener of listeners.splice(0)) listener();
    return { code, signal, stderr };
  });
  afterTest(() => {
    if (isOver) return;
    for (const pid of [child.pid, ...pids]) if (pid !== undefined) kill(pid);
  });
  return {
    child,
    logs,
    ended,
    async line(fits, nth = 1) {
      for (;;) {
        const found = logs.filter(fits)[nth - 1];
        if (found !== undefined) return found;
        if (isOver) throw new Error(`The gateway ended before: ${JSON.stringify(logs.at(-1))} ${stderr}`);
        await new Promise<void>((resolve) => listeners.push(resolve));
      }
    },
  };
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Ignore the error: the process has already ended.
  }
}

function parse(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine; // The gateway's own log lines are objects.
  } catch {
    return { msg: text };
  }
}
