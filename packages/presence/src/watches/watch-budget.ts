import { CmError } from "@cm/protocol";

/** Limits the number of users and members whose state is kept for watches. */
export class WatchBudget {
  readonly #max: number;
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get count(): number {
    return this.#count;
  }

  /**
   * Takes `count` entries from the budget. If it would be exceeded, throws `capacity-reached` and takes
   * none.
   */
  take(count: number): void {
    if (this.#count + count > this.#max) {
      throw new CmError("capacity-reached", `Presence keeps the state of at most ${this.#max} users and members.`, {
        details: { max: this.#max },
      });
    }
    this.#count += count;
  }

  give(count: number): void {
    this.#count -= count;
  }
}
