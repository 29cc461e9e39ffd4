import { readFileSync } from "node:fs";

/** Time between two readings, in milliseconds. */
const EVERY_MS = 20;

/** How a thread was scheduled, in milliseconds. */
export interface CoreFigures {
  /** Time on a core. */
  readonly ranMs: number;
  /** Time for which the thread was ready to run but had no core. */
  readonly waitedMs: number;
  /** The longest such time between two readings, which are about 20 ms apart. A longer wait counts as a whole. */
  readonly longestWaitMs: number;
}

/**
 * Measures how long the main thread of a process waits for a core. On a busy machine this wait, not the process's own
 * work, delays its event loop.
 */
export class CoreWait {
  readonly #path: string;
  #timer: NodeJS.Timeout | undefined;
  #began: readonly [ran: number, waited: number] | undefined;
  #last = 0;
  #longest = 0;

  constructor(pid: number) {
    this.#path = `/proc/${pid}/task/${pid}/schedstat`;
  }

  start(): void {
    this.#began = this.#read();
    if (this.#began === undefined) return;
    [, this.#last] = this.#began;
    this.#timer = setInterval(() => this.#look(), EVERY_MS);
  }

  /** Returns the figures since the start, or `undefined` if the kernel does not provide them. */
  stop(): CoreFigures | undefined {
    clearInterval(this.#timer);
    const now = this.#look();
    if (this.#began === undefined || now === undefined) return undefined;
    const [ran, waited] = this.#began;
    return { ranMs: now[0] - ran, waitedMs: now[1] - waited, longestWaitMs: this.#longest };
  }

  #look(): readonly [ran: number, waited: number] | undefined {
    const now = this.#read();
    if (now === undefined) return undefined;
    this.#longest = Math.max(this.#longest, now[1] - this.#last);
    [, this.#last] = now;
    return now;
  }

  /** Returns both times in milliseconds. The kernel counts them in nanoseconds, and adds a wait when it ends. */
  #read(): readonly [ran: number, waited: number] | undefined {
    try {
      const [ran = "", waited = ""] = readFileSync(this.#path, "latin1").split(" ");
      return [Number(ran) / 1e6, Number(waited) / 1e6];
    } catch {
      return undefined;
    }
  }
}
