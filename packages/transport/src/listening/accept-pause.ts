import { closeSync, openSync } from "node:fs";
import { CmError } from "@cm/protocol";

/** How often it is looked whether a file can be opened, in milliseconds. */
const LOOK_EVERY_MS = 250;

/** Files that can be opened before newcomers are taken again: the listening socket and what they bring. */
const ROOM_TO_RESUME = 32;

/** What an {@link AcceptPause} needs. */
export interface AcceptPauseOptions {
  /** Closes the listening socket; open connections stay. */
  readonly stopListening: () => void;
  /** Throws, or rejects, where the port can't be had; it is tried again. */
  readonly listenAgain: () => Promise<void>;
  /** Called with `unavailable` once for each pause, when it begins. Must not throw. */
  readonly onError: (error: CmError) => void;
}

/**
 * Takes no newcomers while this process can open no more files: the listening socket is closed
 * meanwhile, so that the kernel refuses newcomers and a balancer sends them elsewhere. Without it
 * uWebSockets.js tries the accept again without a pause, which takes a whole core, and Node.js
 * accepts each newcomer and closes it, without a word to anybody.
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

  /** How often it has begun to refuse newcomers. */
  get count(): number {
    return this.#count;
  }

  /** Looks no more; the server is closing. Idempotent. */
  end(): void {
    this.#ended = true;
    clearInterval(this.#timer);
  }

  #look(): void {
    if (this.#isPaused) {
      if (!this.#isTrying && canOpen(ROOM_TO_RESUME)) void this.#resume();
      return;
    }
    if (canOpen(1)) return;
    this.#isPaused = true;
    this.#count++;
    this.#options.stopListening();
    this.#options.onError(
      new CmError(
        "unavailable",
        `This process can open no more files; newcomers are refused until ${ROOM_TO_RESUME} can be opened.`,
      ),
    );
  }

  async #resume(): Promise<void> {
    this.#isTrying = true;
    try {
      await this.#options.listenAgain();
      this.#isPaused = false;
    } catch {
      // Something else has the port, or the files went meanwhile: tried again at the next look.
    }
    this.#isTrying = false;
    if (this.#ended) this.#options.stopListening();
  }
}

/** Whether `count` files can be opened besides those that are open. */
function canOpen(count: number): boolean {
  const opened: number[] = [];
  try {
    while (opened.length < count) opened.push(openSync("/dev/null", "r"));
    return true;
  } catch (error) {
    // Anything else, as a system without the file, says nothing about files in all.
    return !["EMFILE", "ENFILE"].includes((error as NodeJS.ErrnoException).code ?? "");
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}
