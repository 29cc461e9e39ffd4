/** Maximum number of entries of all publishers together, unless 64 for each are more. An entry takes 25 bytes. */
const ENTRIES_MAX = 2_097_152;

/** Upper bound of a message without one: greater than every place. */
const NEVER = 2 ** 31 - 1;

/**
 * The latest messages of every publisher: the place of each in its room's order, how often it was delivered,
 * and whether it was refused. Memory is bounded: a message is forgotten when its publisher is a whole window
 * ahead of it.
 */
export class PublisherWindow {
  readonly #size: number;
  readonly #sequences: Int32Array;
  readonly #places: Int32Array;
  readonly #after: Int32Array;
  readonly #before: Int32Array;
  readonly #recipients: Int32Array;
  readonly #deliveries: Int32Array;
  readonly #refused: Uint8Array;

  constructor(publishers: number) {
    this.#size = Math.min(65_536, Math.max(64, 2 ** Math.floor(Math.log2(ENTRIES_MAX / publishers))));
    const entries = publishers * this.#size;
    this.#sequences = new Int32Array(entries).fill(-1);
    this.#places = new Int32Array(entries);
    this.#after = new Int32Array(entries);
    this.#before = new Int32Array(entries);
    this.#recipients = new Int32Array(entries);
    this.#deliveries = new Int32Array(entries);
    this.#refused = new Uint8Array(entries);
  }

  /** Adds an entry for a message that is about to be sent. */
  open(publisher: number, sequence: number, recipients: number): void {
    const entry = this.#entry(publisher, sequence);
    this.#sequences[entry] = sequence;
    this.#places[entry] = 0;
    this.#after[entry] = 0;
    this.#before[entry] = NEVER;
    this.#recipients[entry] = recipients;
    this.#deliveries[entry] = 0;
    this.#refused[entry] = 0;
  }

  /** Returns the index of the message's entry, or -1 if the message was forgotten or never sent. */
  find(publisher: number, sequence: number): number {
    const entry = this.#entry(publisher, sequence);
    return this.#sequences[entry] === sequence ? entry : -1;
  }

  /** Whether the entry at this index still belongs to the message with this sequence. */
  holds(entry: number, sequence: number): boolean {
    return this.#sequences[entry] === sequence;
  }

  /** The message's place in its room's order, from 1; 0 while it has none. */
  placeOf(entry: number): number {
    return this.#places[entry] ?? 0;
  }

  setPlace(entry: number, place: number): void {
    this.#places[entry] = place;
  }

  /** Records that a member received the message after this place. */
  boundBelow(entry: number, place: number): void {
    if (place > (this.#after[entry] ?? 0)) this.#after[entry] = place;
  }

  /** Records that a member received the message before this place. */
  boundAbove(entry: number, place: number): void {
    if (place < (this.#before[entry] ?? NEVER)) this.#before[entry] = place;
  }

  /** Whether no place is left that is consistent with every member that received the message. */
  isTorn(entry: number): boolean {
    const before = this.#before[entry] ?? NEVER;
    return (this.#places[entry] ?? 0) >= before || (this.#after[entry] ?? 0) >= before;
  }

  recipientsOf(entry: number): number {
    return this.#recipients[entry] ?? 0;
  }

  countDelivery(entry: number): void {
    this.#deliveries[entry] = (this.#deliveries[entry] ?? 0) + 1;
  }

  isRefused(entry: number): boolean {
    return this.#refused[entry] === 1;
  }

  /** Marks the message as refused. Returns how often it was delivered nevertheless. */
  refuse(entry: number): number {
    this.#refused[entry] = 1;
    return this.#deliveries[entry] ?? 0;
  }

  #entry(publisher: number, sequence: number): number {
    return publisher * this.#size + (sequence % this.#size);
  }
}
