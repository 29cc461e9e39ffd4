import type { HistoryPosition } from "@cm/protocol";
import type { OrderedMessage } from "../recovery/ordered-message.js";

/** What is held back of one room at most; the history has more, and is read again for it. */
const MESSAGES_MAX = 256;
const BYTES_MAX = 262_144;

/** Messages that wait for those before them, in the order of their arrival. Bounded. */
export class ReorderBuffer {
  #messages: OrderedMessage[] = [];
  #bytes = 0;
  #added = 0;
  #hasOverflown = false;

  get first(): OrderedMessage | undefined {
    return this.#messages[0];
  }

  /** Keeps a copy: the bytes are only valid during the call. */
  add({ at, id, payload, except }: OrderedMessage): void {
    if (this.#messages.length >= MESSAGES_MAX || this.#bytes + payload.length > BYTES_MAX) {
      // The latest ones are kept, as they are the least likely to have been read.
      this.takeAll();
      this.#hasOverflown = true;
    }
    this.#added++;
    this.#bytes += payload.length;
    this.#messages.push({ at, id, payload: Uint8Array.from(payload), except });
  }

  /** Whether it is held, and everything that came since the holding began. */
  has({ epoch, offset }: HistoryPosition): boolean {
    if (this.#hasOverflown) return false;
    return this.#messages.some(({ at }) => at.epoch === epoch && at.offset === offset);
  }

  dropFirst(): void {
    const first = this.#messages.shift();
    this.#bytes -= first?.payload.length ?? 0;
  }

  /** To tell what is held now from what comes later. */
  mark(): number {
    return this.#added;
  }

  /** Drops those that came before the mark and are not of the epoch; how many. */
  dropOthers(mark: number, epoch: number): number {
    const count = Math.max(0, mark - (this.#added - this.#messages.length));
    const before = this.#messages.length;
    this.#messages = this.#messages.filter(({ at }, i) => i >= count || at.epoch === epoch);
    this.#bytes = this.#messages.reduce((bytes, { payload }) => bytes + payload.length, 0);
    return before - this.#messages.length;
  }

  /** The highest offset of an epoch that is held; 0 where there is none. */
  reached(epoch: number): number {
    return this.#messages.reduce((most, { at }) => (at.epoch === epoch ? Math.max(most, at.offset) : most), 0);
  }

  takeAll(): readonly OrderedMessage[] {
    const messages = this.#messages;
    this.#messages = [];
    this.#bytes = 0;
    return messages;
  }

  /** Whether some had to be let go since the last call: the history has to be read again. */
  takeOverflow(): boolean {
    const hasOverflown = this.#hasOverflown;
    this.#hasOverflown = false;
    return hasOverflown;
  }
}
