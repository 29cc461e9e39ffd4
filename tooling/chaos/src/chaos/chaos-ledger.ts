/** A message that was published. */
interface Published {
  readonly n: number;
  readonly room: string;
  readonly publishedAtMs: number;
  isAcknowledged: boolean;
}

/** What one connection of a client got in its room; or several, where it recovered what it had missed between them. */
export class ReceiptBook {
  readonly name: string;
  readonly room: string;
  readonly joinedAtMs: number;
  isOpen = true;
  /** When a `gap` frame without a number last came: what was published before may be missing. */
  lastVagueGapAtMs = Number.NEGATIVE_INFINITY;
  /** When one with a number last came. */
  lastCountedGapAtMs = Number.NEGATIVE_INFINITY;
  /** How many messages were reported missing since the accounts were last closed. */
  toldMissing = 0;
  readonly received = new Set<number>();
  readonly lastOfPublisher = new Map<string, number>();

  constructor(name: string, room: string, joinedAtMs: number) {
    this.name = name;
    this.room = room;
    this.joinedAtMs = joinedAtMs;
  }
}

/** What {@link ChaosLedger} has counted. */
export interface LedgerCounts {
  published: number;
  acknowledged: number;
  delivered: number;
  gaps: number;
  /** Acknowledged messages that a member did not get, and was told so. */
  toldMissing: number;
  /** How often a client came back and was told that it gets all that it has missed. */
  recoveries: number;
}

/**
 * Holds what members got against what was published: each acknowledged message reaches
 * every member that was there before it was published and is still there, once; or that
 * member was told of a gap after it was published: of one without a number, or of as many
 * as it has not got at least (refused ones may be counted among them). Who comes back to a
 * room that is recoverable, and is told that it gets what it missed, was there all the time.
 * Nothing comes twice, and one publisher's messages keep their order.
 */
export class ChaosLedger {
  readonly counts: LedgerCounts = {
    published: 0,
    acknowledged: 0,
    delivered: 0,
    gaps: 0,
    toldMissing: 0,
    recoveries: 0,
  };
  readonly violations: string[] = [];
  readonly #published = new Map<number, Published>();
  readonly #books = new Set<ReceiptBook>();
  #nextNumber = 1;

  /** A connection that joined its room now. */
  open(name: string, room: string): ReceiptBook {
    const book = new ReceiptBook(name, room, performance.now());
    this.#books.add(book);
    return book;
  }

  close(book: ReceiptBook): void {
    book.isOpen = false;
    this.#books.delete(book);
  }

  /** Its connection is gone: nothing is owed, unless the client recovers what it misses. */
  suspend(book: ReceiptBook): void {
    book.isOpen = false;
  }

  /** Its client was told that it gets all that it has missed. */
  resume(book: ReceiptBook): void {
    book.isOpen = true;
    this.counts.recoveries++;
  }

  /** A number for a message that is about to be published. */
  publish(room: string): number {
    const n = this.#nextNumber++;
    this.#published.set(n, { n, room, publishedAtMs: performance.now(), isAcknowledged: false });
    this.counts.published++;
    return n;
  }

  acknowledge(n: number): void {
    const message = this.#published.get(n);
    if (message === undefined) return;
    message.isAcknowledged = true;
    this.counts.acknowledged++;
  }

  receive(book: ReceiptBook, n: number, publisher: string): void {
    this.counts.delivered++;
    const last = book.lastOfPublisher.get(publisher) ?? 0;
    if (book.received.has(n) || n === last) this.violations.push(`${book.name} got message ${n} twice`);
    else if (n < last) this.violations.push(`${book.name} got ${n} of ${publisher} after ${last}`);
    book.received.add(n);
    book.lastOfPublisher.set(publisher, Math.max(last, n));
  }

  /** A `gap` frame came, with or without a number. */
  gap(book: ReceiptBook, missed?: number): void {
    this.counts.gaps++;
    if (missed === undefined) {
      book.lastVagueGapAtMs = performance.now();
      return;
    }
    book.lastCountedGapAtMs = performance.now();
    book.toldMissing += missed;
  }

  /** Messages that are missing without a report to their receiver; empty where all is well. */
  silentLosses(): string[] {
    return [...this.#books].flatMap((book) => {
      const losses = this.#losses(book).filter(({ publishedAtMs }) => book.lastVagueGapAtMs < publishedAtMs);
      const silent = losses.filter(({ publishedAtMs }) => book.lastCountedGapAtMs < publishedAtMs);
      const where = `${book.name} in ${book.room}`;
      if (silent.length === 0 && losses.length > book.toldMissing) {
        return [
          `${where} was told of ${book.toldMissing} messages, and never got ${losses.map(({ n }) => n).join(", ")}`,
        ];
      }
      return silent.map(({ n }) => `${where} never got message ${n} and was not told`);
    });
  }

  /** How many acknowledged messages of these rooms their members did not get, each member counted. */
  missing(isIn: (room: string) => boolean): number {
    return [...this.#books].reduce((sum, book) => sum + (isIn(book.room) ? this.#losses(book).length : 0), 0);
  }

  /** Closes the accounts: what was published so far is settled, and forgotten. */
  settle(): void {
    this.violations.push(...this.silentLosses().slice(0, 20));
    this.counts.toldMissing += this.missing(() => true);
    this.#published.clear();
    for (const book of this.#books) {
      book.received.clear();
      book.toldMissing = 0;
    }
  }

  /** What was acknowledged and is owed to the member. */
  #losses(book: ReceiptBook): Published[] {
    if (!book.isOpen) return [];
    return [...this.#published.values()].filter(
      ({ n, room, publishedAtMs, isAcknowledged }) =>
        isAcknowledged && book.room === room && book.joinedAtMs < publishedAtMs && !book.received.has(n),
    );
  }
}
