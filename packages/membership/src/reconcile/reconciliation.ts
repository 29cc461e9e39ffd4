import type { CmError } from "@cm/protocol";
import type { LocalConnections } from "../connections/local-connections.js";
import type { WriteGuard } from "../connections/write-guard.js";
import type { LeaseKeeper } from "../lease/lease-keeper.js";
import type { ResolvedMembershipOptions } from "../options.js";
import type { Projection } from "../projection/projection.js";
import { type DriftStats, DriftTally } from "./drift-report.js";
import { OwnerReconciler } from "./owner-reconciler.js";
import { SharedStateReconciler } from "./shared-state-reconciler.js";

/** The parts of a membership that {@link Reconciliation} compares with the store. */
export interface ReconciledParts {
  readonly local: LocalConnections;
  readonly keeper: LeaseKeeper;
  readonly projection: Projection;
  readonly changes: WriteGuard;
}

/** Removes drift after heartbeats, a few partitions each: of this server's own state, and of what no server owns. */
export class Reconciliation {
  readonly #tally = new DriftTally();
  readonly #ownState: OwnerReconciler;
  readonly #sharedState: SharedStateReconciler;
  readonly #aborting = new AbortController();
  #underWay: Promise<unknown> | undefined;

  constructor(parts: ReconciledParts, options: ResolvedMembershipOptions, onError: (error: CmError) => void) {
    const { local, keeper, projection, changes } = parts;
    const { store, ids, cleanupIntervalMs, heartbeatIntervalMs, leaseTtlMs, reapClaimMs, onDrift } = options;
    const common = {
      store,
      beats: Math.max(1, Math.floor(cleanupIntervalMs / heartbeatIntervalMs)),
      tally: this.#tally,
      onDrift,
      onError,
    };
    this.#ownState = new OwnerReconciler({
      ...common,
      local,
      changes,
      projection,
      lease: () => keeper.current(),
      shelfBits: ids.shelfBits,
    });
    this.#sharedState = new SharedStateReconciler({
      ...common,
      self: ids,
      // A server that has not registered again by then holds no lease under any clock.
      graceMs: leaseTtlMs + heartbeatIntervalMs,
      keepMs: leaseTtlMs + 3 * Math.max(cleanupIntervalMs, heartbeatIntervalMs),
      claimMs: reapClaimMs,
    });
  }

  get drift(): DriftStats {
    return this.#tally.stats();
  }

  /** After a loss of data the registry may lack living servers: gives each the full grace period again. */
  doubt(): void {
    this.#sharedState.doubt();
  }

  /** After a heartbeat; does nothing while the last one's part is still under way. */
  beat(): void {
    const { signal } = this.#aborting;
    this.#underWay ??= Promise.all([this.#ownState.beat(signal), this.#sharedState.beat(signal)]).finally(() => {
      this.#underWay = undefined;
    });
  }

  /** Ends what is under way at its next step. */
  abort(): void {
    this.#aborting.abort();
  }

  /** Settles when nothing is under way. */
  async settled(): Promise<void> {
    await this.#underWay;
  }
}
