import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { guard } from "./process-guard.js";
import { type ProcessUsage, processUsage } from "./process-usage.js";

/** What to start. */
export interface ManagedProcessOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment. Default: this process' own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Takes each line of the standard output. */
  readonly onLine?: (line: string) => void;
}

/** How a process ended; `code` is `null` where a signal ended it. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process that was started here. It ends at the latest with the process that started it. */
export interface ManagedProcess {
  /** -1 where it could not be started. */
  readonly pid: number;
  /** Whether it has not ended yet; a paused one runs. */
  readonly running: boolean;
  /** The last 16,384 characters that it wrote, and why it could not be started where it was not. */
  readonly output: string;
  /** Settles when it has ended and all its output was read. */
  readonly ended: Promise<ProcessEnd>;
  signal(name: NodeJS.Signals): void;
  /** SIGSTOP: it keeps its sockets and does nothing. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** SIGKILL, paused or not; resolves when it has ended. */
  kill(): Promise<ProcessEnd>;
  /** SIGTERM, and SIGKILL where it has not ended after `timeoutMs`; a paused one is continued. */
  stop(timeoutMs: number): Promise<ProcessEnd>;
  /** Linux only. */
  usage(): Promise<ProcessUsage>;
}

const OUTPUT_MAX_CHARS = 16_384;

/** Starts a process. A program that can't be started shows in `ended` and `output`. */
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
        // Also said of a signal that could not be sent; then there is an end of its own.
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
