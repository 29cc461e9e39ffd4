import { type CmError, toCmError } from "@cm/protocol";
import type { DriftKind, DriftReport, DriftTally } from "./drift-report.js";

/** The most causes of failures that are told of in one round: keys with foreign data may be many. */
const CAUSES_MAX = 5;

/** How much was put right in a partition. */
export type Found = Pick<DriftReport, "missing" | "stray" | "wrong">;

const NOTHING: Found = { missing: 0, stray: 0, wrong: 0 };

/** What a {@link PartitionPass} needs. */
export interface PartitionPassOptions {
  readonly kind: DriftKind;
  readonly partitions: number;
  /** Heartbeats in which all partitions come by once. */
  readonly beats: number;
  /** Looks at a partition and puts right what differs; `undefined` where the partition is left to others. */
  readonly look: (partition: number) => Promise<Found | undefined>;
  readonly tally: DriftTally;
  /** Told at the end of a round in which something was put right. */
  readonly onDrift: (repair: DriftReport) => void;
  /** Told once of each cause and round. */
  readonly onError: (error: CmError) => void;
}

/**
 * Goes over all partitions of one kind, some at each heartbeat, again and again. One that can't be
 * read or put right is told of and left for the next round: it must not keep the others from
 * being looked at.
 */
export class PartitionPass {
  readonly #options: PartitionPassOptions;
  readonly #causes = new Set<string>();
  #next = 0;
  #repaired = 0;
  #found = NOTHING;

  constructor(options: PartitionPassOptions) {
    this.#options = options;
  }

  /** Looks at the next partitions, one after the other: there is time until the next heartbeat. */
  async beat(signal: AbortSignal): Promise<void> {
    const { partitions, beats } = this.#options;
    for (let left = Math.ceil(partitions / beats); left > 0 && !signal.aborted; left--) {
      await this.#look(this.#next);
      this.#next = (this.#next + 1) % partitions;
      if (this.#next === 0) this.#end();
    }
  }

  async #look(partition: number): Promise<void> {
    const { kind, look, tally } = this.#options;
    try {
      const found = await look(partition);
      if (found === undefined) return;
      tally.checked();
      if (found.missing + found.stray + found.wrong === 0) return;
      tally.add(kind, found);
      this.#repaired++;
      this.#found = sum(this.#found, found);
    } catch (cause) {
      this.#failed(cause);
    }
  }

  #failed(cause: unknown): void {
    const error = toCmError(cause, "internal", "A part of the store could not be compared with what is so.");
    const kind = `${error.code} ${error.message}`;
    if (this.#causes.has(kind) || this.#causes.size >= CAUSES_MAX) return;
    this.#causes.add(kind);
    this.#options.onError(error);
  }

  #end(): void {
    this.#causes.clear();
    if (this.#repaired > 0)
      this.#options.onDrift({ kind: this.#options.kind, partitions: this.#repaired, ...this.#found });
    this.#repaired = 0;
    this.#found = NOTHING;
  }
}

function sum(left: Found, right: Found): Found {
  return {
    missing: left.missing + right.missing,
    stray: left.stray + right.stray,
    wrong: left.wrong + right.wrong,
  };
}
