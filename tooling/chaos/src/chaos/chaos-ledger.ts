/** A published message. */
interface Published {
  readonly n: number;
  readonly room: string;
  readonly publishedAtMs: number;
  isAcknowledged: boolean;
}

/**
 * The messages that a client received in its room on one connection, or on several if it recovered what it
 * missed between them.
 */
export class ReceiptBook {
  readonly name: string;
  readonly room: string;
  readonly joinedAtMs: number;
  isOpen = true;
  /** Time of the latest `gap` frame without a number: messages published before may be missing. */
  lastVagueGapAtMs = Number.NEGATIVE_INFINITY;
  /** Time of the latest `gap` frame with a number. */
  lastCountedGapAtMs = Number.NEGATIVE_INFINITY;
  /** Number of messages that `gap` frames reported as missing since the ledger was last settled. */
  reportedMissing = 0;
  readonly received = new Set<number>();
  readonly lastOfPublisher = new Map<string, number>();

  constructor(name: string, room: string, joinedAtMs: number) {
    this.name = name;
    this.room = room;
    this.joinedAtMs = joinedAtMs;
  }
}

/** Counters of {@link ChaosLedger}. */
export interface LedgerCounts {
  published: number;
  acknowledged: number;
  delivered: number;
  gaps: number;
  /**
   * Acknowledged messages that a member did not receive, counted for each member. Unreported ones are violations
   * too.
   */
  reportedMissing: number;
  /** Number of times that a client reconnected and was promised all missed messages. */
  recoveries: number;
}

/**
 * Compares what members received with what was published. Each acknowledged message must reach every member that
 * was in the room before it was published and still is, exactly once. Otherwise a `gap` must have been reported to
 * that member after the message was published, either without a number or with at least as many messages as the
 * member has not received (refused messages may be included). A client that reconnects to a recoverable room and
 * is promised all missed messages counts as present all the time. Nothing may arrive twice, and each publisher's
 * messages must keep their order.
 */
export class ChaosLedger {
  readonly counts: LedgerCounts = {
    published: 0,
    acknowledged: 0,
    delivered: 0,
    gaps: 0,
    reportedMissing: 0,
    recoveries: 0,
  };
  readonly violations: string[] = [];
  readonly #published = new Map<number, Published>();
  readonly #books = new Set<ReceiptBook>();
  #nextNumber = 1;

  /** Opens a book for a connection that has just joined its room. */
  open(name: string, room: string): ReceiptBook {
    const book = new ReceiptBook(name, room, performance.now());
    this.#books.add(book);
    return book;
  }

  close(book: ReceiptBook): void {
    book.isOpen = false;
    this.#books.delete(book);
  }

  /**
   * Suspends a book whose connection is gone: no more messages are expected, unless the client recovers the
   * missed ones.
   */
  suspend(book: ReceiptBook): void {
    book.isOpen = false;
  }

  /** Resumes a book whose client was promised all missed messages. */
  resume(book: ReceiptBook): void {
    book.isOpen = true;
    this.counts.recoveries++;
  }

  /** Returns the number for a message that is about to be published. */
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

  /** Records a `gap` frame, with or without a number. */
  gap(book: ReceiptBook, missed?: number): void {
    this.counts.gaps++;
    if (missed === undefined) {
      book.lastVagueGapAtMs = performance.now();
      return;
    }
    book.lastCountedGapAtMs = performance.now();
    book.reportedMissing += missed;
  }

  /**
   * Returns descriptions of messages that are missing without a report to their receiver; empty if there are none.
   */
  silentLosses(): string[] {
    return [...this.#books].flatMap((book) => {
      const losses = this.#losses(book).filter(({ publishedAtMs }) => book.lastVagueGapAtMs < publishedAtMs);
      const silent = losses.filter(({ publishedAtMs }) => book.lastCountedGapAtMs < publishedAtMs);
      const where = `${book.name} in ${book.room}`;
      if (silent.length === 0 && losses.length > book.reportedMissing) {
        return [
          `${where} was told of ${book.reportedMissing} messages, and never got ${losses.map(({ n }) => n).join(", ")}`,
        ];
      }
      return silent.map(({ n }) => `${where} never got message ${n} and was not told`);
    });
  }

  /** Number of acknowledged messages of the rooms `isIn` that a member lacks since `settle`, for each member. */
  missing(isIn: (room: string) => boolean): number {
    return [...this.#books].reduce((sum, book) => sum + (isIn(book.room) ? this.#losses(book).length : 0), 0);
  }

  /** Adds silent losses to the violations, at most 20 of them, and forgets all messages published so far. */
  settle(): void {
    this.violations.push(...this.silentLosses().slice(0, 20));
    this.counts.reportedMissing += this.missing(() => true);
    this.#published.clear();
    for (const book of this.#books) {
      book.received.clear();
      book.reportedMissing = 0;
    }
  }

  /** The acknowledged messages that the member should have received but did not. */
  #losses(book: ReceiptBook): Published[] {
    if (!book.isOpen) return [];
    return [...this.#published.values()].filter(
      ({ n, room, publishedAtMs, isAcknowledged }) =>
        isAcknowledged && book.room === room && book.joinedAtMs < publishedAtMs && !book.received.has(n),
    );
  }
}
