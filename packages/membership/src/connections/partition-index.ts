/** Index of items by record partition. A partition without items has no entry. */
export class PartitionIndex<T> {
  readonly #partitions = new Map<number, Set<T>>();

  add(partition: number, item: T): void {
    const items = this.#partitions.get(partition);
    if (items === undefined) this.#partitions.set(partition, new Set([item]));
    else items.add(item);
  }

  delete(partition: number, item: T): void {
    const items = this.#partitions.get(partition);
    if (items?.delete(item) === true && items.size === 0) this.#partitions.delete(partition);
  }

  of(partition: number): Iterable<T> {
    return this.#partitions.get(partition) ?? [];
  }
}
