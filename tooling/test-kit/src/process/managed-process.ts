import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { guard } from "./process-guard.js";
import { type ProcessUsage, processUsage } from "./process-usage.js";

/** The process to start. */
export interface ManagedProcessOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** The complete environment of the process. Default: the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Called with each line of the standard output. */
  readonly onLine?: (line: string) => void;
}

/** How a process ended; `code` is `null` if a signal ended it. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A started process. It is killed when the process that started it ends. */
export interface ManagedProcess {
  /** The process id; -1 if the process could not be started. */
  readonly pid: number;
  /** Whether the process has not ended yet; a paused process counts as running. */
  readonly running: boolean;
  /** The last 16,384 characters that the process wrote, or the reason for which it could not be started. */
  readonly output: string;
  /** Resolves when the process has ended and all its output was read. */
  readonly ended: Promise<ProcessEnd>;
  signal(name: NodeJS.Signals): void;
  /** Sends SIGSTOP: the process keeps its sockets open but does not run. */
  pause(): void;
  /** Sends SIGCONT. */
  resume(): void;
  /** Sends SIGKILL, which also ends a paused process. Resolves when the process has ended. */
  kill(): Promise<ProcessEnd>;
  /** Sends SIGTERM and continues a paused process; sends SIGKILL if it has not ended after `timeoutMs`. */
  stop(timeoutMs: number): Promise<ProcessEnd>;
  /** The memory and open files of the process. Linux only. */
  usage(): Promise<ProcessUsage>;
}

const OUTPUT_MAX_CHARS = 16_384;

/** Starts a process. If the program cannot be started, `ended` resolves and `output` contains the error. */
export function startManagedProcess(options: ManagedProcessOptions): ManagedProcess {
  const { command, args, env = process.env, onLine } = options;
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  guard(child);
  return new SpawnedProcess(child, onLine);
}

class SpawnedProcess implements ManagedProcess {
  readonly pid: number;
  readonly ended: Promise<ProcessEnd>;
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  #output = "";
  #running = true;

  constructor(child: ChildProcessByStdio<null, Readable, Readable>, onLine: ((line: string) => void) | undefined) {
    this.#child = child;
    this.pid = child.pid ?? -1;
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => this.#keep(chunk));
    if (onLine !== undefined) createInterface({ input: child.stdout }).on("line", onLine);
    child.once("exit", () => {
      this.#running = false;
    });
    this.ended = new Promise((resolve) => {
      child.once("close", (code, signal) => resolve({ code, signal }));
      child.once("error", (error) => {
        // Resolve only if the start failed. The event is also emitted if a signal could not be sent, but then
        // the process was started and ends later.
        this.#keep(error);
        if (child.pid !== undefined) return;
        this.#running = false;
        resolve({ code: null, signal: null });
      });
    });
  }

  get running(): boolean {
    return this.#running;
  }

  get output(): string {
    return this.#output;
  }

  signal(name: NodeJS.Signals): void {
    if (this.#running) this.#child.kill(name);
  }

  pause(): void {
    this.signal("SIGSTOP");
  }

  resume(): void {
    this.signal("SIGCONT");
  }

  kill(): Promise<ProcessEnd> {
    this.signal("SIGKILL");
    return this.ended;
  }

  async stop(timeoutMs: number): Promise<ProcessEnd> {
    this.signal("SIGTERM");
    this.resume();
    const timer = setTimeout(() => this.signal("SIGKILL"), timeoutMs);
    try {
      return await this.ended;
    } finally {
      clearTimeout(timer);
    }
  }

  usage(): Promise<ProcessUsage> {
    return processUsage(this.pid);
  }

  #keep(said: Buffer | Error): void {
    this.#output = (this.#output + String(said)).slice(-OUTPUT_MAX_CHARS);
  }
}
