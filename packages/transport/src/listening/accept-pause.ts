import { closeSync, openSync } from "node:fs";
import { CmError } from "@cm/protocol";

/** Interval at which the pause checks whether a file can be opened, in milliseconds. */
const LOOK_EVERY_MS = 250;

/**
 * Number of files that the process must be able to open before connections are accepted again: the listening
 * socket and the first connections.
 */
const FILES_TO_RESUME = 32;

/** Options of an {@link AcceptPause}. */
export interface AcceptPauseOptions {
  /** Closes the listening socket; open connections stay open. */
  readonly stopListening: () => void;
  /**
   * Listens again. Throws or rejects if the port is not available; the pause then calls this function again
   * later.
   */
  readonly listenAgain: () => Promise<void>;
  /** Called with `unavailable` once per pause, when it begins. Must not throw. */
  readonly onError: (error: CmError) => void;
}

/**
 * Stops accepting connections while this process can't open any more files. The listening socket is closed
 * during the pause, so that the kernel refuses new connections and a load balancer sends them elsewhere. If the
 * socket stayed open, uWebSockets.js would retry the accept without a pause, which takes a whole core, and
 * Node.js would accept each connection and close it without reporting an error.
 */
export class AcceptPause {
  readonly #options: AcceptPauseOptions;
  readonly #timer: NodeJS.Timeout;
  #isPaused = false;
  #isTrying = false;
  #ended = false;
  #count = 0;

  constructor(options: AcceptPauseOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  /** Number of pauses so far. */
  get count(): number {
    return this.#count;
  }

  /** Stops the checks, because the server is closing. Idempotent. */
  end(): void {
    this.#ended = true;
    clearInterval(this.#timer);
  }

  #look(): void {
    if (this.#isPaused) {
      if (!this.#isTrying && canOpen(FILES_TO_RESUME)) void this.#resume();
      return;
    }
    if (canOpen(1)) return;
    this.#isPaused = true;
    this.#count++;
    this.#options.stopListening();
    this.#options.onError(
      new CmError(
        "unavailable",
        `This process can't open more files; new connections are refused until it can open ${FILES_TO_RESUME} files.`,
      ),
    );
  }

  async #resume(): Promise<void> {
    this.#isTrying = true;
    try {
      await this.#options.listenAgain();
      this.#isPaused = false;
    } catch {
      // Ignore the error and retry at the next check: another process has the port, or the files have been used
      // up again.
    }
    this.#isTrying = false;
    if (this.#ended) this.#options.stopListening();
  }
}

/** Whether `count` more files can be opened. */
function canOpen(count: number): boolean {
  const opened: number[] = [];
  try {
    while (opened.length < count) opened.push(openSync("/dev/null", "r"));
    return true;
  } catch (error) {
    // Any other error, for example on a system without `/dev/null`, does not mean that too many files are open.
    return !["EMFILE", "ENFILE"].includes((error as NodeJS.ErrnoException).code ?? "");
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}
