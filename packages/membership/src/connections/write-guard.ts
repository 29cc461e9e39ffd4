/**
 * Tracks which connections are being changed. A change updates the local state first and the store
 * afterwards; in between, the two legitimately differ. A comparison ignores connections that were changed
 * while it ran, and a repair delays further changes of the repaired connections, so that a repair and a
 * change do not undo each other.
 */
export class WriteGuard {
  /** Number of changes in progress, by connection id. */
  readonly #underWay = new Map<string, number>();
  readonly #watches = new Set<Set<string>>();
  /** Repairs in progress, by connection id. */
  readonly #repairs = new Map<string, Promise<void>>();

  /** Begins a change. Must be called in the same event loop turn in which the local state changes. */
  begin(connectionId: string): void {
    this.#underWay.set(connectionId, (this.#underWay.get(connectionId) ?? 0) + 1);
    for (const touched of this.#watches) touched.add(connectionId);
  }

  /** Ends a change, because the store has acknowledged the change or will not acknowledge it any more. */
  end(connectionId: string): void {
    const left = (this.#underWay.get(connectionId) ?? 1) - 1;
    if (left === 0) this.#underWay.delete(connectionId);
    else this.#underWay.set(connectionId, left);
  }

  /** The repair of the connection that is in progress. A change waits for it before it writes to the store. */
  repairOf(connectionId: string): Promise<void> | undefined {
    return this.#repairs.get(connectionId);
  }

  /** Runs the store write of a change, after any repair of the connection that is in progress. */
  async run<T>(connectionId: string, write: () => Promise<T>): Promise<T> {
    this.begin(connectionId);
    try {
      const repair = this.repairOf(connectionId);
      if (repair !== undefined) await repair;
      return await write();
    } finally {
      this.end(connectionId);
    }
  }

  /** Records the connections with changes in progress, and those that are changed until the watch is closed. */
  watch(): WriteWatch {
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
   * Runs `write`, which repairs these connections, and delays further changes of them until it has finished.
   * Only one repair may run at a time. The delay takes effect in the calling turn.
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

/** Records which connections were changed since the watch began. */
export interface WriteWatch {
  /** Whether the connection was changed since the watch began, or was being changed at that time. */
  touched(connectionId: string): boolean;
  close(): void;
}
