/** What a store holds of a connection: its record, its place in a room, or its being one of its user's. */
export type HeldKind = "record" | "member" | "user";

/** What was found to differ from the truth, and put right, while all parts of the store were looked at once. */
export interface Repair {
  readonly kind: HeldKind;
  /** In how many parts: slices of the rooms or users, or shelves of records. */
  readonly slices: number;
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
export type RepairCounts = Readonly<Record<HeldKind, number>>;

/** What the comparison of the store with the truth has come to. */
export interface RepairStats {
  /** Slices and shelves that were compared. */
  readonly checked: number;
  readonly repairedMissing: RepairCounts;
  readonly repairedStray: RepairCounts;
  readonly repairedWrong: RepairCounts;
}

/** Counts repairs. */
export class RepairTally {
  #checked = 0;
  readonly #missing = none();
  readonly #stray = none();
  readonly #wrong = none();

  checked(): void {
    this.#checked++;
  }

  add(kind: HeldKind, { missing, stray, wrong }: Pick<Repair, "missing" | "stray" | "wrong">): void {
    this.#missing[kind] += missing;
    this.#stray[kind] += stray;
    this.#wrong[kind] += wrong;
  }

  stats(): RepairStats {
    return {
      checked: this.#checked,
      repairedMissing: { ...this.#missing },
      repairedStray: { ...this.#stray },
      repairedWrong: { ...this.#wrong },
    };
  }
}

function none(): Record<HeldKind, number> {
  return { record: 0, member: 0, user: 0 };
}
