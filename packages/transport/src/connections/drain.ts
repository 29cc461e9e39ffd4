import { optionInvalid, requireDurationMs } from "@cm/protocol/options";
import { closeInWaves } from "./close-waves.js";
import type { TransportConnection } from "./transport-connection.js";

/** Options of a drain. */
export interface DrainOptions {
  /** Time over which the connections are closed, in milliseconds, 0 to 3,600,000. 0: all are closed at once. */
  readonly overMs: number;
  /** Signal whose abort closes the remaining connections at once. */
  readonly signal?: AbortSignal | undefined;
}

/** Progress of a drain. */
export interface DrainProgress {
  /** Number of connections that were open when the drain began. */
  readonly connections: number;
  /** Number of connections that the drain has closed so far; others have closed by themselves, or are still open. */
  readonly closed: number;
  /** Whether the drain has ended: because every connection was closed, or because the server is closing. */
  readonly done: boolean;
}

/** Time between two waves, in milliseconds. */
const WAVE_MS = 100;

/**
 * Minimum number of connections in a wave, which makes 20 per second. A server with few connections therefore
 * drains in less time than `overMs`.
 */
const WAVE_MIN = 2;

/** Closes the connections of a server in waves. */
export class Drain<U> {
  readonly #leaving: readonly TransportConnection<U>[];
  readonly #options: DrainOptions;
  readonly #closing: AbortSignal;
  #closed = 0;
  #done = false;

  /** Aborting `closing` ends the drain without closing the remaining connections. Throws `options-invalid`. */
  constructor(connections: Iterable<TransportConnection<U>>, options: DrainOptions, closing: AbortSignal) {
    this.#options = requireDrainOptions(options);
    this.#leaving = [...connections];
    this.#closing = closing;
  }

  get progress(): DrainProgress {
    return { connections: this.#leaving.length, closed: this.#closed, done: this.#done };
  }

  /** Closes the connections. Resolves when every connection was closed, or `closing` was aborted. */
  async run(): Promise<void> {
    const { overMs, signal } = this.#options;
    const ends = signal === undefined ? this.#closing : AbortSignal.any([signal, this.#closing]);
    const pace = { overMs, waveMs: WAVE_MS, waveMin: WAVE_MIN };
    const count = (closed: number): void => {
      this.#closed += closed;
    };
    const left = await closeInWaves(this.#leaving, { ...pace, signal: ends }, count);
    if (!this.#closing.aborted) await closeInWaves(left, { ...pace, overMs: 0 }, count);
    this.#done = true;
  }
}

/** Checks the options of a drain, and returns them. Throws `options-invalid`. */
export function requireDrainOptions(options: DrainOptions): DrainOptions {
  if (typeof options !== "object" || options === null)
    throw optionInvalid("options", "an object, such as { overMs: 10_000 }");
  const { overMs, signal } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw optionInvalid("signal", "an AbortSignal");
  return { overMs: requireDurationMs("overMs", overMs, 0, 3_600_000), signal };
}
