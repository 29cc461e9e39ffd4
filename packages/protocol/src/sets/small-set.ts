/** Maximum number of elements in an array. Up to here, looking through it takes no longer than a look-up in a `Set`. */
const ARRAY_MAX = 16;

const NONE: readonly never[] = [];

/**
 * A set that is usually small, in insertion order. A few elements are kept in an array, which takes half the memory of a
 * `Set`, or less; more of them in a `Set`. Values that are equal by `===` are the same element.
 */
export class SmallSet<T> implements Iterable<T> {
  /** An array is never modified: it has no spare room, and an iteration sees the elements that were there at its start. */
  #elements: readonly T[] | Set<T> = NONE;

  /** Number of elements. */
  get size(): number {
    const elements = this.#elements;
    return elements instanceof Set ? elements.size : elements.length;
  }

  /** Whether the set contains the element. */
  has(element: T): boolean {
    const elements = this.#elements;
    return elements instanceof Set ? elements.has(element) : elements.includes(element);
  }

  /** Adds an element. Returns `false` if it was there already. */
  add(element: T): boolean {
    if (this.has(element)) return false;
    const elements = this.#elements;
    if (elements instanceof Set) elements.add(element);
    // V8 leaves spare room in an array that is made with a spread, and in the result of `filter`, but not in these.
    else if (elements.length < ARRAY_MAX) this.#elements = elements.concat([element]);
    else this.#elements = new Set([...elements, element]);
    return true;
  }

  /** Removes an element. Returns `false` if it was not there. */
  delete(element: T): boolean {
    const elements = this.#elements;
    if (elements instanceof Set) return elements.delete(element);
    const index = elements.indexOf(element);
    if (index === -1) return false;
    this.#elements = elements.length === 1 ? NONE : elements.toSpliced(index, 1);
    return true;
  }

  /** The elements, in the order in which they were added. */
  [Symbol.iterator](): Iterator<T> {
    return this.#elements[Symbol.iterator]();
  }
}
