import type { Gap } from "../options.js";

/** Counts interruptions and missed messages, and reports each gap to the application. */
export class GapReporter {
  readonly counts = { gaps: 0, missed: 0, interruptions: 0, resumedWhole: 0, resumedUncertain: 0 };
  readonly #onGap: (gap: Gap) => void;

  constructor(onGap: (gap: Gap) => void) {
    this.#onGap = onGap;
  }

  /** Reports that messages of a server are missing; the room is `undefined` for this server's own channel. */
  missed(room: string | undefined, origin: string, missed: number): void {
    this.counts.gaps++;
    this.counts.missed += missed;
    this.#onGap({ room, known: { origin, missed } });
  }

  /**
   * Reports messages that a recoverable room's history no longer has; `missed` is `undefined` if their number
   * is unknown.
   */
  lost(room: string, missed: number | undefined): void {
    this.counts.gaps++;
    this.counts.missed += missed ?? 0;
    this.#onGap({ room, known: missed === undefined ? undefined : { origin: undefined, missed } });
  }

  /** Reports that messages may be missing, because a message had an implausible number. */
  implausible(room: string | undefined): void {
    this.counts.gaps++;
    this.#onGap({ room, known: undefined });
  }

  /** Counts a channel that was resumed after an interruption. */
  interrupted(): void {
    this.counts.interruptions++;
  }

  /** Counts an interruption without missing messages: nothing was published during it, or everything was filled in. */
  whole(): void {
    this.counts.resumedWhole++;
  }

  /** Reports that it cannot be determined whether messages are missing after an interruption. */
  uncertain(room: string | undefined): void {
    this.counts.resumedUncertain++;
    this.#onGap({ room, known: undefined });
  }
}
