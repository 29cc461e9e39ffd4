/** Something with a place in an order. */
export interface Ordered {
  /** Grows from one to the next and is never given twice. */
  readonly order: number;
  gone: boolean;
}

/** A part of an {@link OrderList}. */
export interface OrderPage<T> {
  readonly items: T[];
  /** The order of the last one looked at, where more may follow. */
  readonly next: number | undefined;
}

/** Below this many holes it is not worth closing them. */
const HOLES_MIN = 32;

/**
 * Things in the order of their coming. A page begins where the last one ended in that
 * order, found by bisection, so whatever stays keeps its place whatever others do. What
 * goes makes a hole; once holes outnumber the rest they are closed, which costs a removal
 * O(1) over time.
 */
export class OrderList<T extends Ordered> {
  #entries: T[] = [];
  #holes = 0;

  /** Adds something whose order is greater than all before. */
  add(entry: T): void {
    this.#entries.push(entry);
  }

  /** Takes out something that was added and not taken out yet. */
  remove(entry: T): void {
    entry.gone = true;
    this.#holes++;
    if (this.#holes < HOLES_MIN || this.#holes * 2 <= this.#entries.length) return;
    this.#entries = this.#entries.filter(({ gone }) => !gone);
    this.#holes = 0;
  }

  /** Everything that a condition holds for, in order. */
  filter(condition: (entry: T) => boolean): T[] {
    return this.#entries.filter((entry) => !entry.gone && condition(entry));
  }

  /** Up to `limit` of those that count, that came after `after` and not later than `until`. */
  page(after: number, until: number, limit: number, counts: (entry: T) => boolean): OrderPage<T> {
    const items: T[] = [];
    for (let i = this.#firstAfter(after); i < this.#entries.length; i++) {
      const entry = this.#entries[i];
      if (entry === undefined || entry.order > until) break;
      if (entry.gone || !counts(entry)) continue;
      // Told only once one more is found, so that the last page knows that it is the last.
      if (items.length === limit) return { items, next: this.#entries[i - 1]?.order ?? 0 };
      items.push(entry);
    }
    return { items, next: undefined };
  }

  #firstAfter(order: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle]?.order ?? 0) > order) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
