import { constants, fstatSync, openSync, writeSync } from "node:fs";

/** Maximum number of bytes, which is some thousands of lines, that wait while the output is not read. */
const QUEUE_MAX_BYTES = 1_048_576;

/** Delay before writing to a full pipe is retried, in milliseconds. */
const FULL_RETRY_MS = 50;

/**
 * Delay after a failed write before the dropped lines are reported, in milliseconds. A line that is written
 * successfully before that reports them earlier.
 */
const FAILED_RETRY_MS = 1_000;

/**
 * Writes bytes without waiting, like `fs.writeSync` on a non-blocking descriptor. Returns the number of bytes
 * written.
 */
export type WriteBytes = (bytes: Uint8Array) => number;

/**
 * The destination of log lines. A line that can't be written is dropped and counted: logging never throws,
 * never blocks the event loop and never keeps a process from exiting.
 */
export interface LogOutput {
  /** Number of lines dropped since the start. */
  readonly dropped: number;
  /** Takes one line including its line feed. The line is written at once if possible. */
  write(line: string): void;
  /** Resolves when everything has been written, or after `withinMs`. */
  flush(withinMs: number): Promise<void>;
  /** Writes as much as can be written without waiting; for use just before the process exits. */
  flushNow(): void;
}

/**
 * Creates a queue of at most 1 MiB in front of `writeBytes`. Lines wait only while `writeBytes` fails with `EAGAIN`
 * (a pipe that is not read), `EINTR` or `EBUSY`; if the queue is full, and on any other error (such as `ENOSPC`,
 * `EPIPE` or `EIO`), lines are dropped. Once a write succeeds again, `onRecovered` is called with the number of
 * dropped lines; it may log a line about them.
 */
export function createLogOutput(writeBytes: WriteBytes, onRecovered: (dropped: number) => void): LogOutput {
  return new QueuedOutput(writeBytes, onRecovered);
}

/**
 * Writes to standard output without blocking. A pipe or terminal is opened a second time, because `O_NONBLOCK`
 * belongs to the open file description, which other processes share, such as workers or a shell. A socket can't
 * be opened again. It is set to non-blocking before each write, because each child process that inherits the
 * socket sets it to blocking again.
 */
export function openStandardOutput(): WriteBytes {
  // Use `bigint`: Node keeps the result of the last stat with plain numbers in one shared array, and after the
  // stat of a pipe it would resolve the next module that is loaded through a symbolic link incorrectly.
  const kind = fstatSync(1, { bigint: true });
  if (kind.isFile()) return (bytes) => writeSync(1, bytes);
  if (!kind.isSocket()) {
    try {
      const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK | constants.O_NOCTTY;
      const descriptor = openSync("/proc/self/fd/1", flags);
      return (bytes) => writeSync(descriptor, bytes);
    } catch {
      // The pipe or terminal can't be opened again if it belongs to another user, or on a system other than
      // Linux.
      if (kind.isCharacterDevice()) return (bytes) => writeSync(1, bytes);
    }
  }
  // Node's types do not declare `_handle`; its `setBlocking` calls libuv's `uv_stream_set_blocking`.
  const { _handle: handle } = process.stdout as unknown as {
    readonly _handle?: { setBlocking?(isBlocking: boolean): number };
  };
  return (bytes) => {
    handle?.setBlocking?.(false);
    return writeSync(1, bytes);
  };
}

const LINE_FEED = Buffer.from("\n");

class QueuedOutput implements LogOutput {
  readonly #writeBytes: WriteBytes;
  readonly #onRecovered: (dropped: number) => void;
  readonly #queue: Buffer[] = [];
  #queuedBytes = 0;
  #dropped = 0;
  /** Dropped lines that have not been reported to `onRecovered`. */
  #unreported = 0;
  /** Whether a part of the first line has been written. */
  #isBegun = false;
  /** Whether the output ends with a part of a line whose rest was dropped. */
  #isTorn = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(writeBytes: WriteBytes, onRecovered: (dropped: number) => void) {
    this.#writeBytes = writeBytes;
    this.#onRecovered = onRecovered;
  }

  get dropped(): number {
    return this.#dropped;
  }

  write(line: string): void {
    const bytes = Buffer.from(line);
    if (this.#queuedBytes + bytes.length > QUEUE_MAX_BYTES) {
      this.#drop();
      return;
    }
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    // Write now only if no other line waits. Otherwise leave the line to the timer, so that a full pipe is not
    // retried for every line.
    if (this.#queue.length === 1) this.flushNow();
  }

  async flush(withinMs: number): Promise<void> {
    const end = performance.now() + withinMs;
    while (this.#queue.length > 0 && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, FULL_RETRY_MS));
      this.flushNow();
    }
  }

  flushNow(): void {
    let isWorking = false;
    for (let line = this.#queue[0]; line !== undefined; line = this.#queue[0]) {
      const bytes = this.#isTorn ? Buffer.concat([LINE_FEED, line]) : line;
      try {
        this.#replaceFirst(bytes.subarray(this.#writeBytes(bytes)));
        this.#isTorn = false;
        isWorking = true;
      } catch (error) {
        if (isPassing(error)) {
          this.#retryIn(FULL_RETRY_MS);
          return;
        }
        isWorking = false;
        this.#isTorn ||= this.#isBegun;
        this.#replaceFirst(bytes.subarray(bytes.length));
        this.#drop();
      }
    }
    if (this.#unreported === 0) return;
    if (isWorking) this.#reportDropped();
    else this.#retryIn(FAILED_RETRY_MS);
  }

  /** Replaces the first line by the part that is left to write, or removes it if `rest` is empty. */
  #replaceFirst(rest: Buffer): void {
    this.#queuedBytes += rest.length - (this.#queue[0]?.length ?? 0);
    this.#isBegun = rest.length > 0;
    if (this.#isBegun) this.#queue[0] = rest;
    else this.#queue.shift();
  }

  #drop(): void {
    this.#dropped += 1;
    this.#unreported += 1;
  }

  /**
   * Reports the dropped lines to `onRecovered`. If the line logged about them is dropped too, that line is not
   * counted.
   */
  #reportDropped(): void {
    const unreported = this.#unreported;
    const dropped = this.#dropped;
    this.#unreported = 0;
    this.#onRecovered(unreported);
    if (this.#dropped === dropped) return;
    this.#dropped = dropped;
    this.#unreported = unreported;
  }

  #retryIn(ms: number): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      if (this.#queue.length > 0) this.flushNow();
      else if (this.#unreported > 0) this.#reportDropped();
    }, ms).unref();
  }
}

/** Whether the error means that the output will accept bytes later. */
function isPassing(error: unknown): boolean {
  const { code } = Object(error) as { readonly code?: unknown };
  return code === "EAGAIN" || code === "EINTR" || code === "EBUSY";
}
