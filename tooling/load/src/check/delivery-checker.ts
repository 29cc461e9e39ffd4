import { PublisherWindow } from "./publisher-window.js";
import { ReceiptLedger } from "./receipt-ledger.js";

/** The shape of what is checked. Members and publishers are numbered room by room. */
export interface DeliveryCheckerOptions {
  readonly rooms: number;
  /** Members of each room. */
  readonly members: number;
  /** Publishers of each room: its first members. */
  readonly publishers: number;
}

/** What was found wrong, and what right. */
export interface DeliveryFindings {
  /** Deliveries that should have happened. */
  readonly expected: number;
  /** Deliveries that happened, each once. */
  readonly delivered: number;
  readonly losses: number;
  readonly duplicates: number;
  /** A member got a message behind one that the room's order puts after it. */
  readonly roomOrderViolations: number;
  /** A member got a publisher's messages in another order than they were sent. */
  readonly publisherOrderViolations: number;
  /** Deliveries so late that their place in the room's order was forgotten. */
  readonly orderUnchecked: number;
  /** Messages that reached a member of another room, or were never sent. */
  readonly strays: number;
  /** Deliveries of messages whose publisher got an error: after a timeout that may be so. */
  readonly refusedYetDelivered: number;
}

/**
 * Checks who got what, and in which order, in bounded memory.
 *
 * Messages get their places in a room's order from the member in front: the one that
 * has had the message of the last place. Another member that brings a message without
 * a place has either missed what lies between, or brings what those in front have
 * missed; so the message stays without a place, and only bounds are noted: behind what
 * the member had before it, in front of what it gets next. A member disagrees with the
 * room where it gets a message whose place lies before the one it had last, or where
 * the bounds of a message contradict each other. Losses alone never look like a
 * violation; without losses none goes unseen.
 */
export class DeliveryChecker {
  readonly #members: number;
  readonly #publishers: number;
  readonly #window: PublisherWindow;
  readonly #receipts: ReceiptLedger;
  /** By member: the highest place of a message that it had. */
  readonly #lastPlaces: Int32Array;
  /** By member: the message without a place that it had since, as index and sequence; index -1 for none. */
  readonly #unplaced: Int32Array;
  readonly #unplacedSequences: Int32Array;
  /** By room: the last place given. */
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

  /** Deliveries so far, each counted once. */
  get delivered(): number {
    return this.#delivered;
  }

  /** Call it before the message is sent. @param recipients how many should get it */
  published(publisher: number, sequence: number, recipients: number): void {
    this.#window.open(publisher, sequence, recipients);
    this.#expected += recipients;
  }

  /** The publish was answered with an error: no member is expected to get it. */
  refused(publisher: number, sequence: number): void {
    const entry = this.#window.find(publisher, sequence);
    if (entry < 0 || this.#window.isRefused(entry)) return;
    const before = this.#window.refuse(entry);
    this.#expected -= this.#window.recipientsOf(entry);
    this.#delivered -= before;
    this.#refusedYetDelivered += before;
  }

  /** A member got a message. Says whether it is one that counts: sent, and new to the member. */
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

  /** What the member had without a place lies in front of the place that it has reached now. */
  #closeUnplaced(member: number, place: number): void {
    const entry = this.#unplaced[member] ?? -1;
    if (entry < 0) return;
    this.#unplaced[member] = -1;
    if (!this.#window.holds(entry, this.#unplacedSequences[member] ?? -1)) return;
    this.#window.boundAbove(entry, place);
    if (this.#window.isTorn(entry)) this.#roomOrderViolations++;
  }
}
