import { type CmError, toCmError } from "@cm/protocol";
import type { DriftKind, DriftReport, DriftTally } from "./drift-report.js";

/** Maximum number of different errors reported in one pass, because many keys may contain foreign data. */
const CAUSES_MAX = 5;

/** Numbers of entries repaired in a partition. */
export type Found = Pick<DriftReport, "missing" | "stray" | "wrong">;

const NOTHING: Found = { missing: 0, stray: 0, wrong: 0 };

/** Options of {@link PartitionPass}. */
export interface PartitionPassOptions {
  readonly kind: DriftKind;
  readonly partitions: number;
  /** Number of heartbeats that one pass over all partitions takes. */
  readonly beats: number;
  /** Reconciles a partition; `undefined` if another server is responsible for it. */
  readonly look: (partition: number) => Promise<Found | undefined>;
  readonly tally: DriftTally;
  /** Called at the end of a pass that repaired something. */
  readonly onDrift: (report: DriftReport) => void;
  /** Called once for each different error in a pass. */
  readonly onError: (error: CmError) => void;
}

/**
 * Passes over all partitions of one kind repeatedly, a few at each heartbeat. A partition that cannot be read
 * or repaired is reported and skipped until the next pass, so that it does not prevent the others from being
 * reconciled.
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

  /**
   * Reconciles the next partitions, one after the other, because there is enough time until the next
   * heartbeat.
   */
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
      tally.partitionReconciled();
      if (found.missing + found.stray + found.wrong === 0) return;
      tally.add(kind, found);
      this.#repaired++;
      this.#found = sum(this.#found, found);
    } catch (cause) {
      this.#failed(cause);
    }
  }

  #failed(cause: unknown): void {
    const error = toCmError(cause, "internal", "A partition could not be reconciled.");
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
