/** A connection that frames are delivered to. */
export interface Recipient {
  /** Delivers a frame. Returns whether the connection took it. */
  deliver(frame: Uint8Array): boolean;
}

/**
 * Maximum number of connections that are written to in one turn of the event loop: some milliseconds of system calls.
 */
const SLICE = 250;

/**
 * Maximum number of deliveries that wait for a later turn. Beyond it, frames are delivered at once, so that memory
 * is bounded.
 */
const WAITING_MAX = 100_000;

interface Delivery {
  readonly frame: Uint8Array;
  readonly recipients: readonly Recipient[];
  next: number;
}

/**
 * Delivers messages to users. If a user has very many connections, they are written to in several turns of the
 * event loop, with other work in between. No order is promised between messages to a user, nor between them and
 * other messages, so a message to few connections does not wait for one to many.
 */
export class PacedDeliveries {
  readonly #delivering: (count: number) => void;
  readonly #waiting: Delivery[] = [];
  #deliveries = 0;
  #turn: NodeJS.Immediate | undefined;

  /** `delivering` is called before frames are written to `count` connections. */
  constructor(delivering: (count: number) => void) {
    this.#delivering = delivering;
  }

  /**
   * Delivers a frame to all recipients. Returns how many took it; recipients that are to be written to in a later turn
   * count as well. The bytes are copied if they are needed later.
   */
  deliver(recipients: readonly Recipient[], frame: Uint8Array): number {
    if (recipients.length <= SLICE || this.#deliveries > WAITING_MAX) return this.#write(recipients, frame);
    this.#waiting.push({ frame: Buffer.from(frame), recipients, next: 0 });
    this.#deliveries += recipients.length;
    if (this.#turn === undefined) this.#takeTurn();
    return recipients.length;
  }

  /** Drops the waiting deliveries. Called when all connections are closed. */
  close(): void {
    clearImmediate(this.#turn);
    this.#turn = undefined;
    this.#waiting.length = 0;
    this.#deliveries = 0;
  }

  #takeTurn(): void {
    const [delivery] = this.#waiting;
    if (delivery === undefined) return;
    const { frame, recipients, next } = delivery;
    const slice = recipients.slice(next, next + SLICE);
    delivery.next += slice.length;
    this.#deliveries -= slice.length;
    if (delivery.next >= recipients.length) this.#waiting.shift();
    this.#write(slice, frame);
    if (this.#waiting.length > 0) {
      this.#turn = setImmediate(() => {
        this.#turn = undefined;
        this.#takeTurn();
      });
    }
  }

  #write(recipients: readonly Recipient[], frame: Uint8Array): number {
    this.#delivering(recipients.length);
    let taken = 0;
    for (const recipient of recipients) if (recipient.deliver(frame)) taken++;
    return taken;
  }
}
