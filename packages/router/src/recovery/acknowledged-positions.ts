import type { HistoryPosition } from "@cm/protocol";

/** The latest message of a recoverable room that this server published and the history acknowledged. */
export interface Acknowledged {
  readonly at: HistoryPosition;
  /** The message's fingerprint; see `messageId`. */
  readonly id: number;
  /** The room's epoch before that of `at`, if this server's messages were acknowledged in it; 0 if there is none. */
  readonly formerEpoch: number;
}

/**
 * Minimum time that a position is kept. A replica that lags by more than this is not a usable failover
 * target, so older positions need not be kept.
 */
const HORIZON_MS = 60_000;

/**
 * The positions that histories acknowledged in the last one to two minutes, at most `max` per minute. They
 * are kept in two generations, so that no sweep is needed.
 */
export class AcknowledgedPositions {
  readonly #max: number;
  #current = new Map<string, Acknowledged>();
  #previous = new Map<string, Acknowledged>();
  #currentSinceMs = Number.NEGATIVE_INFINITY;
  #isIncomplete = { current: false, previous: false };

  constructor(max: number) {
    this.#max = max;
  }

  add(room: string, at: HistoryPosition, id: number): void {
    const nowMs = performance.now();
    if (nowMs - this.#currentSinceMs >= HORIZON_MS) this.#turn(nowMs);
    const known = this.#current.get(room) ?? this.#previous.get(room);
    // Responses within one epoch may arrive out of order if the link was re-established.
    if (known?.at.epoch === at.epoch && known.at.offset > at.offset) return;
    if (this.#current.size >= this.#max && !this.#current.has(room)) {
      this.#isIncomplete.current = true;
      return;
    }
    const formerEpoch = known === undefined || known.at.epoch === at.epoch ? known?.formerEpoch : known.at.epoch;
    this.#current.set(room, { at, id, formerEpoch: formerEpoch ?? 0 });
  }

  get(room: string): Acknowledged | undefined {
    return this.#current.get(room) ?? this.#previous.get(room);
  }

  /** Returns the rooms with a position. */
  rooms(): ReadonlySet<string> {
    return new Set([...this.#previous.keys(), ...this.#current.keys()]);
  }

  /** Whether positions are missing because there were more than `max`. */
  get isIncomplete(): boolean {
    return this.#isIncomplete.current || this.#isIncomplete.previous;
  }

  #turn(nowMs: number): void {
    this.#previous = this.#current;
    this.#current = new Map();
    this.#currentSinceMs = nowMs;
    this.#isIncomplete = { current: false, previous: this.#isIncomplete.current };
  }
}
