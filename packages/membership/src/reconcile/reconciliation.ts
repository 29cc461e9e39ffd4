import type { CmError } from "@cm/protocol";
import type { OwnedConnections } from "../connections/owned-connections.js";
import type { WriteGuard } from "../connections/write-guard.js";
import type { LeaseKeeper } from "../lease/lease-keeper.js";
import type { ResolvedMembershipOptions } from "../options.js";
import type { Projection } from "../projection/projection.js";
import { type DriftStats, DriftTally } from "./drift-report.js";
import { OwnerReconciler } from "./owner-reconciler.js";
import { SharedStateReconciler } from "./shared-state-reconciler.js";

/** The parts of a membership that {@link Reconciliation} needs. */
export interface ReconciledParts {
  readonly local: OwnedConnections;
  readonly keeper: LeaseKeeper;
  readonly projection: Projection;
  readonly writeGuard: WriteGuard;
}

/**
 * Removes drift after heartbeats, a few partitions at a time: drift from this server's own state, and drift
 * in shared state that no server owns.
 */
export class Reconciliation {
  readonly #tally = new DriftTally();
  readonly #ownState: OwnerReconciler;
  readonly #sharedState: SharedStateReconciler;
  readonly #aborting = new AbortController();
  #underWay: Promise<unknown> | undefined;

  constructor(parts: ReconciledParts, options: ResolvedMembershipOptions, onError: (error: CmError) => void) {
    const { local, keeper, projection, writeGuard } = parts;
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
      writeGuard,
      projection,
      lease: () => keeper.current(),
      partitionBits: ids.partitionBits,
    });
    this.#sharedState = new SharedStateReconciler({
      ...common,
      self: ids,
      // A server that has not registered again within this time holds no lease, regardless of whose clock
      // is used.
      graceMs: leaseTtlMs + heartbeatIntervalMs,
      keepMs: leaseTtlMs + 3 * Math.max(cleanupIntervalMs, heartbeatIntervalMs),
      claimMs: reapClaimMs,
    });
  }

  get drift(): DriftStats {
    return this.#tally.stats();
  }

  /**
   * Begins the grace period of each unknown server again. Called after a loss of data, because the registry
   * may then lack living servers.
   */
  doubt(): void {
    this.#sharedState.doubt();
  }

  /** Called after a heartbeat. Does nothing if the work of the previous heartbeat is still in progress. */
  beat(): void {
    const { signal } = this.#aborting;
    this.#underWay ??= Promise.all([this.#ownState.beat(signal), this.#sharedState.beat(signal)]).finally(() => {
      this.#underWay = undefined;
    });
  }

  /** Stops the work in progress at its next step. */
  abort(): void {
    this.#aborting.abort();
  }

  /** Resolves when no work is in progress. */
  async settled(): Promise<void> {
    await this.#underWay;
  }
}
