import { PublisherWindow } from "./publisher-window.js";
import { ReceiptLedger } from "./receipt-ledger.js";

/** Numbers of rooms, members and publishers. Members and publishers are numbered room by room. */
export interface DeliveryCheckerOptions {
  readonly rooms: number;
  /** Number of members of each room. */
  readonly members: number;
  /** Number of publishers of each room; the first members of the room publish. */
  readonly publishers: number;
}

/** The results of a check. */
export interface DeliveryFindings {
  /** Deliveries that should have happened. */
  readonly expected: number;
  /** Deliveries that happened, each counted once. */
  readonly delivered: number;
  readonly losses: number;
  readonly duplicates: number;
  /** Number of times that a member received a message after one that follows it in the room's order. */
  readonly roomOrderViolations: number;
  /** Number of times that a member received a publisher's messages in a different order than they were sent. */
  readonly publisherOrderViolations: number;
  /**
   * Deliveries whose order was not checked, because they came so late that their place in the room's order was
   * no longer known.
   */
  readonly orderUnchecked: number;
  /** Deliveries to a member of another room than the publisher's, or from a publisher that does not exist. */
  readonly strays: number;
  /** Deliveries of messages whose publisher got an error, which is possible after a timeout. */
  readonly refusedYetDelivered: number;
}

/**
 * Checks that each member received all messages of its room in order, using bounded memory.
 *
 * The messages of a room get places in the room's order, from 1. A leading member is one that has received the
 * message of the last place. When it receives a message without a place, that message gets the next place. If
 * another member receives a message without a place, either this member has missed the messages in between, or the
 * leading members have missed this message. So the message stays without a place, and only bounds are stored: its
 * place is after the last place that the member had reached, and before the next place that the member reaches.
 * The room's order is violated if a member receives a message whose place is before the member's last one, or if
 * the bounds of a message contradict each other. Losses alone never look like a violation; without losses, every
 * violation is found.
 */
export class DeliveryChecker {
  readonly #members: number;
  readonly #publishers: number;
  readonly #window: PublisherWindow;
  readonly #receipts: ReceiptLedger;
  /** The highest place of a message that the member has received, by member. */
  readonly #lastPlaces: Int32Array;
  /**
   * By member: the message without a place that the member has received since its highest place, as index in the
   * window and as sequence. The index is -1 if there is none.
   */
  readonly #unplaced: Int32Array;
  readonly #unplacedSequences: Int32Array;
  /** The last assigned place, by room. */
  readonly #roomEnds: Int32Array;
  #expected = 0;
  #delivered = 0;
  #duplicates = 0;
  #roomOrderViolations = 0;
  #publisherOrderViolations = 0;
  #orderUnchecked = 0;
  #strays = 0;
  #refusedYetDelivered = 0;

  constructor({ rooms, members, publishers }: DeliveryCheckerOptions) {
    this.#members = members;
    this.#publishers = publishers;
    this.#window = new PublisherWindow(rooms * publishers);
    this.#receipts = new ReceiptLedger(rooms * members, publishers);
    this.#lastPlaces = new Int32Array(rooms * members);
    this.#unplaced = new Int32Array(rooms * members).fill(-1);
    this.#unplacedSequences = new Int32Array(rooms * members);
    this.#roomEnds = new Int32Array(rooms);
  }

  get expected(): number {
    return this.#expected;
  }

  /** Number of deliveries so far, each counted once. */
  get delivered(): number {
    return this.#delivered;
  }

  /**
   * Records a message. Must be called before the message is sent.
   *
   * @param recipients number of members that should receive it
   */
  published(publisher: number, sequence: number, recipients: number): void {
    this.#window.open(publisher, sequence, recipients);
    this.#expected += recipients;
  }

  /** Records that the publish was refused: no member is expected to receive the message. */
  refused(publisher: number, sequence: number): void {
    const entry = this.#window.find(publisher, sequence);
    if (entry < 0 || this.#window.isRefused(entry)) return;
    const before = this.#window.refuse(entry);
    this.#expected -= this.#window.recipientsOf(entry);
    this.#delivered -= before;
    this.#refusedYetDelivered += before;
  }

  /**
   * Records that a member received a message. Returns whether the delivery counts, which is `false` for a
   * duplicate, for a refused message, and if the publisher is not in the member's room.
   */
  received(member: number, publisher: number, sequence: number): boolean {
    const room = Math.trunc(member / this.#members);
    const publisherInRoom = publisher - room * this.#publishers;
    if (publisherInRoom < 0 || publisherInRoom >= this.#publishers) {
      this.#strays++;
      return false;
    }
    const receipt = this.#receipts.take(member, publisherInRoom, sequence);
    if (receipt === "duplicate") {
      this.#duplicates++;
      return false;
    }
    if (receipt === "late") this.#publisherOrderViolations++;
    const entry = this.#window.find(publisher, sequence);
    if (entry < 0) this.#orderUnchecked++;
    else {
      this.#checkPlace(entry, sequence, member, room);
      this.#window.countDelivery(entry);
      if (this.#window.isRefused(entry)) {
        this.#refusedYetDelivered++;
        return false;
      }
    }
    this.#delivered++;
    return true;
  }

  findings(): DeliveryFindings {
    return {
      expected: this.#expected,
      delivered: this.#delivered,
      losses: Math.max(0, this.#expected - this.#delivered),
      duplicates: this.#duplicates,
      roomOrderViolations: this.#roomOrderViolations,
      publisherOrderViolations: this.#publisherOrderViolations,
      orderUnchecked: this.#orderUnchecked,
      strays: this.#strays,
      refusedYetDelivered: this.#refusedYetDelivered,
    };
  }

  #checkPlace(entry: number, sequence: number, member: number, room: number): void {
    const last = this.#lastPlaces[member] ?? 0;
    const end = this.#roomEnds[room] ?? 0;
    let place = this.#window.placeOf(entry);
    if (place === 0 && last < end) {
      this.#window.boundBelow(entry, last);
      if (this.#window.isTorn(entry)) this.#roomOrderViolations++;
      this.#unplaced[member] = entry;
      this.#unplacedSequences[member] = sequence;
      return;
    }
    if (place === 0) {
      place = end + 1;
      this.#window.setPlace(entry, place);
      this.#roomEnds[room] = place;
      if (this.#window.isTorn(entry)) this.#roomOrderViolations++;
    }
    if (place < last) this.#roomOrderViolations++;
    else this.#lastPlaces[member] = place;
    this.#closeUnplaced(member, place);
  }

  /**
   * Sets the upper bound of the member's message without a place: it lies before the place that the member has
   * reached now.
   */
  #closeUnplaced(member: number, place: number): void {
    const entry = this.#unplaced[member] ?? -1;
    if (entry < 0) return;
    this.#unplaced[member] = -1;
    if (!this.#window.holds(entry, this.#unplacedSequences[member] ?? -1)) return;
    this.#window.boundAbove(entry, place);
    if (this.#window.isTorn(entry)) this.#roomOrderViolations++;
  }
}
