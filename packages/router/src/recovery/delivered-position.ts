import type { HistoryPosition } from "@cm/protocol";
import { BUFFERED_MAX } from "../ordering/reorder-buffer.js";

/**
 * Maximum number of former epochs whose last offset is remembered, so that late duplicates are recognized. A store
 * that evicts keys can begin a new epoch with every message, so each message in the reorder buffer may be of
 * another epoch.
 */
const FORMER_OFFSETS_MAX = BUFFERED_MAX;

/** How far a server has delivered a room's messages, under the current epoch and under former ones. */
export class DeliveredPosition {
  #at: HistoryPosition = { epoch: 0, offset: 0 };
  /** The offsets reached under former epochs, in the order in which this server left these epochs. */
  readonly #formerOffsets = new Map<number, number>();
  /** The epoch of the latest delivered message. */
  #latestEpoch = 0;
  #endedEpoch: number | undefined;

  /** The epoch that was read last, and the offset up to which its messages are delivered or reported as missing. */
  get at(): HistoryPosition {
    return this.#at;
  }

  /** Continues at a position without a delivery. */
  move(to: HistoryPosition): void {
    const { epoch, offset } = this.#at;
    this.#at = to;
    if (to.epoch === epoch || epoch === 0) return;
    this.#formerOffsets.delete(to.epoch);
    this.#formerOffsets.set(epoch, offset);
    const [oldest] = this.#formerOffsets.keys();
    if (this.#formerOffsets.size > FORMER_OFFSETS_MAX && oldest !== undefined) this.#formerOffsets.delete(oldest);
  }

  /** Continues after a delivered message. */
  delivered(at: HistoryPosition): void {
    this.#latestEpoch = at.epoch;
    this.move(at);
  }

  /** The offset reached under an epoch; 0 if none of its messages was delivered. */
  reached(epoch: number): number {
    return epoch === this.#at.epoch ? this.#at.offset : (this.#formerOffsets.get(epoch) ?? 0);
  }

  /** Ends an epoch that was set back: it brings no further messages of the history that was delivered. */
  end(epoch: number): void {
    this.#endedEpoch = epoch;
  }

  /**
   * Whether the epoch was ended, or messages of another epoch were delivered after those of this one: on one Redis it
   * then brings no further messages.
   */
  hasEnded(epoch: number): boolean {
    if (epoch === this.#endedEpoch) return true;
    return epoch !== this.#at.epoch && epoch !== this.#latestEpoch && this.reached(epoch) > 0;
  }
}
