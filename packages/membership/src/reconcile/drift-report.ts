/** Kind of store entry: a connection's record, its membership of a room, or its entry among its user's connections. */
export type DriftKind = "record" | "member" | "user";

/** The drift of one kind that one full pass found and repaired. */
export interface DriftReport {
  /** The kind of the entries. */
  readonly kind: DriftKind;
  /** Partitions of rooms, users or records that had drift. */
  readonly partitions: number;
  /** Entries that the store had lost. */
  readonly missing: number;
  /** Entries of connections or memberships that do not exist. */
  readonly stray: number;
  /**
   * Entries with a wrong value: metadata, a record, or a derived number such as the number of users who are
   * online.
   */
  readonly wrong: number;
}

/** Repaired entries, by kind. */
export type DriftCounts = Readonly<Record<DriftKind, number>>;

/** Counters of reconciling since the start. */
export interface DriftStats {
  /** Partitions that were reconciled. */
  readonly reconciledPartitions: number;
  /** Entries that the store had lost and that were written again. */
  readonly missing: DriftCounts;
  /** Entries of connections or memberships that do not exist, which were removed. */
  readonly stray: DriftCounts;
  /** Entries with a wrong value, which were corrected. */
  readonly wrong: DriftCounts;
}

/** Counts drift. */
export class DriftTally {
  #reconciledPartitions = 0;
  readonly #missing = none();
  readonly #stray = none();
  readonly #wrong = none();

  partitionReconciled(): void {
    this.#reconciledPartitions++;
  }

  add(kind: DriftKind, { missing, stray, wrong }: Pick<DriftReport, "missing" | "stray" | "wrong">): void {
    this.#missing[kind] += missing;
    this.#stray[kind] += stray;
    this.#wrong[kind] += wrong;
  }

  stats(): DriftStats {
    return {
      reconciledPartitions: this.#reconciledPartitions,
      missing: { ...this.#missing },
      stray: { ...this.#stray },
      wrong: { ...this.#wrong },
    };
  }
}

function none(): Record<DriftKind, number> {
  return { record: 0, member: 0, user: 0 };
}
