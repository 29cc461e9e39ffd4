/** An entry of an ordered list. */
export interface Ordered {
  /** Increases from one entry to the next. A value is never used twice. */
  readonly order: number;
  gone: boolean;
}

/** A page of an {@link OrderedList}. */
export interface OrderPage<T> {
  readonly items: T[];
  /** The order of the last entry that was checked; `undefined` if no more follow. */
  readonly next: number | undefined;
}

/** Minimum number of removed entries before the list is compacted. */
const HOLES_MIN = 32;

/**
 * Entries in the order in which they were added. A page begins after the order at which the previous page ended,
 * so adding and removing entries does not shift later pages; binary search finds its start. Removed entries are
 * only marked; the list is compacted once they outnumber the others, so that a removal takes amortized O(1).
 */
export class OrderedList<T extends Ordered> {
  #entries: T[] = [];
  #holes = 0;

  /** Adds an entry. Its order must be greater than that of every earlier entry. */
  add(entry: T): void {
    this.#entries.push(entry);
  }

  /** Removes an entry. It must have been added, and not removed yet. */
  remove(entry: T): void {
    entry.gone = true;
    this.#holes++;
    if (this.#holes < HOLES_MIN || this.#holes * 2 <= this.#entries.length) return;
    this.#entries = this.#entries.filter(({ gone }) => !gone);
    this.#holes = 0;
  }

  /** All entries that satisfy the condition, in order. */
  filter(condition: (entry: T) => boolean): T[] {
    return this.#entries.filter((entry) => !entry.gone && condition(entry));
  }

  /**
   * Returns up to `limit` entries that `counts` accepts and whose order is greater than `after` and at most
   * `until`.
   */
  page(after: number, until: number, limit: number, counts: (entry: T) => boolean): OrderPage<T> {
    const items: T[] = [];
    for (let i = this.#firstAfter(after); i < this.#entries.length; i++) {
      const entry = this.#entries[i];
      if (entry === undefined || entry.order > until) break;
      if (entry.gone || !counts(entry)) continue;
      // Return only once another entry was found, so that the last page has no `next`.
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
