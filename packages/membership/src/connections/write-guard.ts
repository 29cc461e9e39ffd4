/**
 * Which connections are being changed. A change touches the truth and the store, one after
 * the other; in between the two differ, and rightly so. A comparison leaves out
 * what was under way meanwhile, and what is written to make them agree holds up further
 * changes of the same connections, so that neither can undo the other.
 */
export class WriteGuard {
  /** Number of changes under way, by connection id. */
  readonly #underWay = new Map<string, number>();
  readonly #watches = new Set<Set<string>>();
  /** Repairs under way, by connection id. */
  readonly #repairs = new Map<string, Promise<void>>();

  /** A change begins: to be called in the turn in which the truth changes. */
  begin(connectionId: string): void {
    this.#underWay.set(connectionId, (this.#underWay.get(connectionId) ?? 0) + 1);
    for (const touched of this.#watches) touched.add(connectionId);
  }

  /** The store has taken it, or will not. */
  end(connectionId: string): void {
    const left = (this.#underWay.get(connectionId) ?? 1) - 1;
    if (left === 0) this.#underWay.delete(connectionId);
    else this.#underWay.set(connectionId, left);
  }

  /** Runs the store's part of a change, once no repair of the connection is under way. */
  async run<T>(connectionId: string, write: () => Promise<T>): Promise<T> {
    this.begin(connectionId);
    try {
      const repair = this.#repairs.get(connectionId);
      if (repair !== undefined) await repair;
      return await write();
    } finally {
      this.end(connectionId);
    }
  }

  /** Notes the connections that are changed from now on, and those that are under way. */
  watch(): ChangesWatch {
    const touched = new Set(this.#underWay.keys());
    this.#watches.add(touched);
    return {
      touched: (connectionId) => touched.has(connectionId),
      close: () => {
        this.#watches.delete(touched);
      },
    };
  }

  /**
   * Holds further changes of these connections up while a repair is written, one repair at
   * a time. It begins in this turn.
   */
  async repair(connectionIds: Iterable<string>, write: () => Promise<void>): Promise<void> {
    const ids = [...connectionIds];
    let done = (): void => undefined;
    const repaired = new Promise<void>((resolve) => {
      done = resolve;
    });
    for (const id of ids) this.#repairs.set(id, repaired);
    try {
      await write();
    } finally {
      for (const id of ids) this.#repairs.delete(id);
      done();
    }
  }
}

/** What was changed since a moment. */
export interface ChangesWatch {
  /** Whether the connection was changed, or was being changed when the watch began. */
  touched(connectionId: string): boolean;
  close(): void;
}
