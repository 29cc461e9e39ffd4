import { constants, fstatSync, openSync, writeSync } from "node:fs";

/** The most that waits for a reader that is slow or gone: some thousands of lines. */
const QUEUE_MAX_BYTES = 1_048_576;

/** How soon a full pipe is tried again. */
const FULL_RETRY_MS = 50;

/** How soon a failed output is tried again where no line comes. */
const FAILED_RETRY_MS = 1_000;

/** Something that takes bytes without waiting, as `fs.writeSync` on a descriptor that does not block. */
export type WriteBytes = (bytes: Uint8Array) => number;

/**
 * Where log lines go. A line that can't be written is dropped and counted: a log never
 * throws, never blocks the event loop and never keeps a process from ending.
 */
export interface LogOutput {
  /** Lines that were dropped since the start. */
  readonly dropped: number;
  /** Takes one line with its line feed. It is written at once where that is possible. */
  write(line: string): void;
  /** Resolves when everything was written, or after that time. */
  flush(withinMs: number): Promise<void>;
  /** Writes what can be written now; for the last moment of a process. */
  flushNow(): void;
}

/**
 * A queue of at most 1 MiB in front of `writeBytes`. Lines wait only while that answers
 * `EAGAIN` (a pipe that is not read); beyond the bound, and on any other error (`ENOSPC`,
 * `EPIPE`, `EIO`), they are dropped. Once a write succeeds again, `onRecovered` is told how
 * many were; it may write a line about it.
 */
export function createLogOutput(writeBytes: WriteBytes, onRecovered: (dropped: number) => void): LogOutput {
  return new QueuedOutput(writeBytes, onRecovered);
}

/**
 * Writes to standard output without blocking. A pipe or terminal is opened a second time,
 * because `O_NONBLOCK` belongs to the open file, which other processes share: workers, a
 * shell. A socket can't be opened again and is switched before each write, because every
 * child process that inherits it switches it back.
 */
export function openStandardOutput(): WriteBytes {
  // `bigint`, because Node keeps the numbers of the last plain stat in one place for all: of a pipe
  // they have the next module that is loaded through a symbolic link resolved wrongly.
  const kind = fstatSync(1, { bigint: true });
  if (kind.isFile()) return (bytes) => writeSync(1, bytes);
  if (!kind.isSocket()) {
    try {
      const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK | constants.O_NOCTTY;
      const descriptor = openSync("/proc/self/fd/1", flags);
      return (bytes) => writeSync(descriptor, bytes);
    } catch {
      // Not on Linux, or a pipe of another user.
      if (kind.isCharacterDevice()) return (bytes) => writeSync(1, bytes);
    }
  }
  // Node declares no `_handle`; libuv's `uv_stream_set_blocking` is behind it.
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
  /** Dropped lines that `onRecovered` was not told of. */
  #untold = 0;
  /** Whether a part of the first line was written. */
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
    // Behind others it waits for the timer, so that a full pipe is not tried for every line.
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
    if (this.#untold === 0) return;
    if (isWorking) this.#tell();
    else this.#retryIn(FAILED_RETRY_MS);
  }

  /** Puts the rest of the first line into its place; an empty one makes room for the next. */
  #replaceFirst(rest: Buffer): void {
    this.#queuedBytes += rest.length - (this.#queue[0]?.length ?? 0);
    this.#isBegun = rest.length > 0;
    if (this.#isBegun) this.#queue[0] = rest;
    else this.#queue.shift();
  }

  #drop(): void {
    this.#dropped += 1;
    this.#untold += 1;
  }

  /** Has a line written about the dropped ones; that one is not counted where it can't be. */
  #tell(): void {
    const untold = this.#untold;
    const dropped = this.#dropped;
    this.#untold = 0;
    this.#onRecovered(untold);
    if (this.#dropped === dropped) return;
    this.#dropped = dropped;
    this.#untold = untold;
  }

  #retryIn(ms: number): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      if (this.#queue.length > 0) this.flushNow();
      else if (this.#untold > 0) this.#tell();
    }, ms).unref();
  }
}

/** Whether an error says that the output takes bytes later. */
function isPassing(error: unknown): boolean {
  const { code } = Object(error) as { readonly code?: unknown };
  return code === "EAGAIN" || code === "EINTR" || code === "EBUSY";
}
