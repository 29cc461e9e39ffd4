import { partitionOf } from "@cm/protocol";

/** A map by the name of a room or user, of which each partition of the store can be read alone. */
export class PartitionedMap<T> {
  readonly #partitions: number;
  /** A partition without entries has no map. */
  readonly #maps = new Map<number, Map<string, T>>();
  #size = 0;

  constructor(partitions: number) {
    this.#partitions = partitions;
  }

  get size(): number {
    return this.#size;
  }

  has(name: string): boolean {
    return this.#mapOf(name)?.has(name) === true;
  }

  get(name: string): T | undefined {
    return this.#mapOf(name)?.get(name);
  }

  set(name: string, value: T): void {
    const partition = partitionOf(name, this.#partitions);
    const map = this.#maps.get(partition);
    if (map === undefined) {
      this.#maps.set(partition, new Map([[name, value]]));
      this.#size++;
    } else {
      this.#size -= map.size;
      this.#size += map.set(name, value).size;
    }
  }

  delete(name: string): void {
    const map = this.#mapOf(name);
    if (map?.delete(name) !== true) return;
    this.#size--;
    if (map.size === 0) this.#maps.delete(partitionOf(name, this.#partitions));
  }

  *names(): Iterable<string> {
    for (const map of this.#maps.values()) yield* map.keys();
  }

  /** The entries of a partition. */
  ofPartition(partition: number): ReadonlyMap<string, T> {
    return this.#maps.get(partition) ?? new Map();
  }

  #mapOf(name: string): Map<string, T> | undefined {
    return this.#maps.get(partitionOf(name, this.#partitions));
  }
}
