/** What a store holds of a connection: its record, its place in a room, or its being one of its user's. */
export type DriftKind = "record" | "member" | "user";

/** What was found to differ from the truth, and put right, while all parts of the store were looked at once. */
export interface DriftReport {
  readonly kind: DriftKind;
  /** In how many parts: partitions of the rooms or users, or shelves of records. */
  readonly partitions: number;
  /** What the store had lost. */
  readonly missing: number;
  /** What it held of connections and places that there are not. */
  readonly stray: number;
  /**
   * What it held otherwise than it is: metadata, a record, or what is derived from others, such
   * as how many users are online.
   */
  readonly wrong: number;
}

/** How much was put right, by kind. */
export type DriftCounts = Readonly<Record<DriftKind, number>>;

/** What the comparison of the store with the truth has come to. */
export interface DriftStats {
  /** Partitions and shelves that were compared. */
  readonly checked: number;
  readonly driftMissing: DriftCounts;
  readonly driftStray: DriftCounts;
  readonly driftWrong: DriftCounts;
}

/** Counts repairs. */
export class DriftTally {
  #checked = 0;
  readonly #missing = none();
  readonly #stray = none();
  readonly #wrong = none();

  checked(): void {
    this.#checked++;
  }

  add(kind: DriftKind, { missing, stray, wrong }: Pick<DriftReport, "missing" | "stray" | "wrong">): void {
    this.#missing[kind] += missing;
    this.#stray[kind] += stray;
    this.#wrong[kind] += wrong;
  }

  stats(): DriftStats {
    return {
      checked: this.#checked,
      driftMissing: { ...this.#missing },
      driftStray: { ...this.#stray },
      driftWrong: { ...this.#wrong },
    };
  }
}

function none(): Record<DriftKind, number> {
  return { record: 0, member: 0, user: 0 };
}
