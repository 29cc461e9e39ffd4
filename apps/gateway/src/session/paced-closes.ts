/** Registrations and places in rooms that are removed at a time: one connection in 199 rooms, or 100 in one room each. */
const PLACES_AT_ONCE_MAX = 200;

/** A close, which resolves when the store has taken it, or keeps it for later. Never rejects. */
type Close = () => Promise<void>;

interface Waiting {
  readonly close: Close;
  readonly places: number;
}

/**
 * Paces the removal of closed connections from the store by the work that they are. Where thousands
 * end at once, each with its rooms, all removals together would block the event loop, and fill the
 * line to the store in front of the clients that are still there. Closes in ordinary numbers never wait.
 */
export class PacedCloses {
  /** In the order of the closes; bounded by the number of connections that there were. */
  #waiting: Waiting[] = [];
  #next = 0;
  #placesUnderWay = 0;

  /** Closes that wait for their turn. */
  get waiting(): number {
    return this.#waiting.length - this.#next;
  }

  /** `rooms`: how many rooms the connection is in. */
  run(rooms: number, close: Close): void {
    const places = rooms + 1;
    if (this.waiting > 0 || !this.#hasRoomFor(places)) this.#waiting.push({ close, places });
    else this.#start({ close, places });
  }

  /** One that is larger than the limit by itself goes alone. */
  #hasRoomFor(places: number): boolean {
    return this.#placesUnderWay === 0 || this.#placesUnderWay + places <= PLACES_AT_ONCE_MAX;
  }

  #start({ close, places }: Waiting): void {
    this.#placesUnderWay += places;
    // A turn of its own for the next ones: requests that have come meanwhile go first.
    void close().finally(() => setImmediate(() => this.#ended(places)));
  }

  #ended(places: number): void {
    this.#placesUnderWay -= places;
    for (;;) {
      const next = this.#waiting[this.#next];
      if (next === undefined || !this.#hasRoomFor(next.places)) return;
      if (++this.#next === this.#waiting.length) {
        this.#waiting = [];
        this.#next = 0;
      }
      this.#start(next);
    }
  }
}
