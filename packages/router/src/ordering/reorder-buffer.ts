import type { HistoryPosition } from "@cm/protocol";
import type { OrderedMessage } from "../recovery/ordered-message.js";

/** Maximum number of messages buffered for one room; beyond it, the history is read again. */
export const BUFFERED_MAX = 256;
const BYTES_MAX = 262_144;

/** Messages that wait until those before them have arrived. They are kept in the order of arrival, up to a limit. */
export class ReorderBuffer {
  #messages: OrderedMessage[] = [];
  #bytes = 0;
  #added = 0;
  #hasOverflown = false;

  get first(): OrderedMessage | undefined {
    return this.#messages[0];
  }

  /** Whether messages were dropped since the last {@link takeOverflow}. */
  get hasOverflown(): boolean {
    return this.#hasOverflown;
  }

  /** Adds a copy of the message, because the message's bytes are only valid during the call. */
  add({ at, id, payload, except }: OrderedMessage): void {
    if (this.#messages.length >= BUFFERED_MAX || this.#bytes + payload.length > BYTES_MAX) {
      // Drop the buffered messages and keep the later ones, which are the least likely to be in the part of the
      // history that was already read.
      this.takeAll();
      this.#hasOverflown = true;
    }
    this.#added++;
    this.#bytes += payload.length;
    this.#messages.push({ at, id, payload: Uint8Array.from(payload), except });
  }

  /** Whether the message at this position is buffered. Always `false` from an overflow until {@link takeOverflow}. */
  has({ epoch, offset }: HistoryPosition): boolean {
    if (this.#hasOverflown) return false;
    return this.#messages.some(({ at }) => at.epoch === epoch && at.offset === offset);
  }

  dropFirst(): void {
    const first = this.#messages.shift();
    this.#bytes -= first?.payload.length ?? 0;
  }

  /** Returns a mark that separates the messages buffered now from later ones. */
  mark(): number {
    return this.#added;
  }

  /** Returns a mark before the first buffered message or notice of an epoch; `undefined` if there is none. */
  markBefore(epoch: number): number | undefined {
    const first = this.#messages.findIndex(({ at }) => at.epoch === epoch);
    return first < 0 ? undefined : this.#added - this.#messages.length + first;
  }

  /** Removes and returns the messages before the mark that do not belong to the given epoch, in order of arrival. */
  takeOtherEpochs(mark: number, epoch: number): readonly OrderedMessage[] {
    const count = Math.max(0, mark - (this.#added - this.#messages.length));
    const taken = this.#messages.filter(({ at }, i) => i < count && at.epoch !== epoch);
    if (taken.length === 0) return taken;
    this.#messages = this.#messages.filter(({ at }, i) => i >= count || at.epoch === epoch);
    this.#bytes = this.#messages.reduce((bytes, { payload }) => bytes + payload.length, 0);
    return taken;
  }

  /**
   * Returns the buffered messages of an epoch with offsets in (`after`, `upTo`], sorted by offset, and keeps
   * them.
   */
  inOrder(epoch: number, after: number, upTo: number): readonly OrderedMessage[] {
    return this.#messages
      .filter(({ at }) => at.epoch === epoch && at.offset > after && at.offset <= upTo)
      .sort((one, other) => one.at.offset - other.at.offset);
  }

  /** The highest buffered offset of an epoch; 0 if there is none. */
  reached(epoch: number): number {
    return this.#messages.reduce((most, { at }) => (at.epoch === epoch ? Math.max(most, at.offset) : most), 0);
  }

  takeAll(): readonly OrderedMessage[] {
    const messages = this.#messages;
    this.#messages = [];
    this.#bytes = 0;
    return messages;
  }

  /** Whether the buffer overflowed since the last call. If so, the history must be read again. */
  takeOverflow(): boolean {
    const hasOverflown = this.#hasOverflown;
    this.#hasOverflown = false;
    return hasOverflown;
  }
}
