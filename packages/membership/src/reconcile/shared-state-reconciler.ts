import { type CmError, holderName, type ReapClaim, type ServerIncarnation, toCmError } from "@cm/protocol";
import { batches } from "../batches.js";
import type { MembershipStore } from "../options.js";
import type { DriftReport, DriftTally } from "./drift-report.js";
import { type Found, PartitionPass } from "./partition-pass.js";
import { UnknownServers } from "./unknown-servers.js";

/** Number of rooms from which members are evicted concurrently. */
const ROOMS_AT_ONCE = 100;

/** Maximum number of connections that one call removes. */
const CONNECTIONS_AT_ONCE = 500;

/** Options of {@link SharedStateReconciler}. */
export interface SharedStateReconcilerOptions {
  readonly store: MembershipStore;
  /** The id and incarnation of this server. */
  readonly self: ServerIncarnation;
  /** Number of heartbeats within which every partition is reconciled once. */
  readonly beats: number;
  /**
   * How long a server must stay unknown to the registry before it is presumed dead, in milliseconds; longer
   * than a lease.
   */
  readonly graceMs: number;
  /**
   * How long an unknown server is remembered after one of its entries was found, in milliseconds. Longer than a
   * pass over all partitions, because the next entry may be found that much later.
   */
  readonly keepMs: number;
  /** Duration of the claim on an orphan for one partition, in milliseconds. */
  readonly claimMs: number;
  readonly tally: DriftTally;
  readonly onDrift: (report: DriftReport) => void;
  readonly onError: (error: CmError) => void;
}

/**
 * Repairs shared state that no single server owns: derived counters and indexes, and entries of orphans, which no
 * reaper could find because the server's records were lost, or because a part of the store was restored after the
 * cleanup. The living servers divide the partitions among themselves; if two servers work on the same partition,
 * the result is still correct.
 */
export class SharedStateReconciler {
  readonly #options: SharedStateReconcilerOptions;
  readonly #unknownServers: UnknownServers;
  readonly #passes: readonly PartitionPass[];
  /** The living servers, in the same order on every server. */
  #living: readonly string[] = [];

  constructor(options: SharedStateReconcilerOptions) {
    this.#options = options;
    const { store, beats, graceMs, keepMs, tally, onDrift, onError } = options;
    const { partitions } = store;
    this.#unknownServers = new UnknownServers({ graceMs, keepMs });
    const shared = { beats, tally, onDrift, onError };
    this.#passes = [
      new PartitionPass({
        ...shared,
        kind: "member",
        partitions,
        look: (partition) => this.#look("rooms", partition, (claim) => this.#evictMembers(claim, partition)),
      }),
      new PartitionPass({
        ...shared,
        kind: "user",
        partitions,
        look: (partition) => this.#look("users", partition, (claim) => this.#evictConnections(claim, partition)),
      }),
    ];
  }

  /**
   * Begins the grace period of each unknown server again. Called after a loss of data, because the registry
   * may then lack living servers.
   */
  doubt(): void {
    this.#unknownServers.forget();
  }

  /** Reconciles the next partitions. Never rejects: failures go to `onError`. */
  async beat(signal: AbortSignal): Promise<void> {
    const { store, onError } = this.#options;
    try {
      const snapshot = await store.servers.snapshot({ idsOnly: true });
      this.#unknownServers.beat(snapshot);
      this.#living = snapshot.living.map(holderName).sort();
    } catch (cause) {
      this.#unknownServers.forget();
      onError(toCmError(cause, "internal", "The living servers could not be read."));
      return;
    }
    for (const pass of this.#passes) await pass.beat(signal);
  }

  async #look(
    kind: "rooms" | "users",
    partition: number,
    evict: (claim: ReapClaim) => Promise<number>,
  ): Promise<Found | undefined> {
    const { store, self, claimMs } = this.#options;
    if (this.#living[partition % Math.max(1, this.#living.length)] !== holderName(self)) return undefined;
    const { servers, projection } = store.upkeep;
    const { repaired, holders } = await projection.reconcile(kind, partition);
    let stray = 0;
    for (const holder of this.#unknownServers.dead(holders)) {
      const claim = await servers.claim(holder, holderName(self), claimMs);
      if (claim !== undefined) stray += await evict(claim);
    }
    return { missing: 0, stray, wrong: repaired };
  }

  async #evictMembers(claim: ReapClaim, partition: number): Promise<number> {
    const { projection } = this.#options.store.upkeep;
    let evicted = 0;
    for (const held of batches(await projection.held(claim, "rooms", partition), ROOMS_AT_ONCE)) {
      const members = await Promise.all(held.map(({ room }) => projection.evict(claim, { room })));
      evicted += members.flat().length;
    }
    return evicted;
  }

  async #evictConnections(claim: ReapClaim, partition: number): Promise<number> {
    const { projection } = this.#options.store.upkeep;
    const held = await projection.held(claim, "users", partition);
    for (const users of batches(held, CONNECTIONS_AT_ONCE)) await projection.evict(claim, { users });
    return held.length;
  }
}
