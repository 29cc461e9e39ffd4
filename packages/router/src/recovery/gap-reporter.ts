import type { Gap } from "../options.js";

/** Counts interruptions and the messages that they cost, and tells the application of each gap. */
export class GapReporter {
  readonly counts = { gaps: 0, missed: 0, interruptions: 0, resumedWhole: 0, resumedUncertain: 0 };
  readonly #onGap: (gap: Gap) => void;

  constructor(onGap: (gap: Gap) => void) {
    this.#onGap = onGap;
  }

  /** Messages of a server are missing; the room is `undefined` for this server's own channel. */
  missed(room: string | undefined, origin: string, missed: number): void {
    this.counts.gaps++;
    this.counts.missed += missed;
    this.#onGap({ room, known: { origin, missed } });
  }

  /** A recoverable room's history does not have what is missing; `undefined` where it can't say how many. */
  lost(room: string, missed: number | undefined): void {
    this.counts.gaps++;
    this.counts.missed += missed ?? 0;
    this.#onGap({ room, known: missed === undefined ? undefined : { origin: undefined, missed } });
  }

  /** A number can't be believed: messages may be missing. */
  implausible(room: string | undefined): void {
    this.counts.gaps++;
    this.#onGap({ room, known: undefined });
  }

  /** A channel is live again, after an interruption. */
  interrupted(): void {
    this.counts.interruptions++;
  }

  /** Nothing was published during an interruption, or all of it was filled in. */
  whole(): void {
    this.counts.resumedWhole++;
  }

  /** Whether something was published during an interruption can't be found out. */
  uncertain(room: string | undefined): void {
    this.counts.resumedUncertain++;
    this.#onGap({ room, known: undefined });
  }
}
