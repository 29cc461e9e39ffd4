import { invalid, whole } from "../options/option-values.js";
import type { TransportConnection } from "./connection.js";
import { sayGoodbyes } from "./paced-close.js";

/** How a server is drained. */
export interface DrainOptions {
  /** Over how long its connections are told to go, in milliseconds; 0: all at once. 0 to 3,600,000. */
  readonly overMs: number;
  /** When aborted, those who are left are told at once. */
  readonly signal?: AbortSignal | undefined;
}

/** How far a drain has come. */
export interface DrainProgress {
  /** Connections that were open when it began. */
  readonly connections: number;
  /** How many of them were told to go; others have left by themselves, or are still here. */
  readonly told: number;
  /** No connection is left to be told. */
  readonly done: boolean;
}

/** Between two waves of goodbyes. */
const WAVE_MS = 100;

/** A server with few connections need not take its whole time: 20 a second are no storm. */
const WAVE_MIN = 2;

/** Sends the connections of a server away, in waves. */
export class Drain<U> {
  readonly #leaving: readonly TransportConnection<U>[];
  readonly #options: DrainOptions;
  readonly #closing: AbortSignal;
  #told = 0;
  #done = false;

  /** `closing` ends it without telling the rest. Throws `options-invalid`. */
  constructor(connections: Iterable<TransportConnection<U>>, options: DrainOptions, closing: AbortSignal) {
    this.#options = checked(options);
    this.#leaving = [...connections];
    this.#closing = closing;
  }

  get progress(): DrainProgress {
    return { connections: this.#leaving.length, told: this.#told, done: this.#done };
  }

  /** Resolves when every connection was told, or `closing` ended it. */
  async run(): Promise<void> {
    const { overMs, signal } = this.#options;
    const ends = signal === undefined ? this.#closing : AbortSignal.any([signal, this.#closing]);
    const pace = { overMs, waveMs: WAVE_MS, waveMin: WAVE_MIN };
    const count = (told: number): void => {
      this.#told += told;
    };
    const left = await sayGoodbyes(this.#leaving, { ...pace, signal: ends }, count);
    if (!this.#closing.aborted) await sayGoodbyes(left, { ...pace, overMs: 0 }, count);
    this.#done = true;
  }
}

function checked(options: DrainOptions): DrainOptions {
  if (typeof options !== "object" || options === null)
    throw invalid("options", "must be an object, such as { overMs: 10_000 }");
  const { overMs, signal } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalid("signal", "must be an AbortSignal");
  return { overMs: whole("overMs", overMs, 0, 3_600_000), signal };
}
