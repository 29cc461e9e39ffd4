import { holderName, type Lease, type Renewal, type ServerCounters } from "@cm/protocol";
import type { FailureReports } from "../failure-reports.js";
import type { ResolvedMembershipOptions } from "../options.js";
import { ExpiredServers } from "../reaping/expired-servers.js";
import { Reaper } from "../reaping/reaper.js";
import { DeadServerWatch } from "./dead-server-watch.js";
import { LeaseKeeper } from "./lease-keeper.js";
import { takeLease } from "./lease-takeover.js";

/** What the lease is held for: this server's own state, which is written under the lease. */
export interface LeasedState {
  /** Returns the numbers that each heartbeat publishes. */
  counters(): ServerCounters;
  /** Writes everything again; see `LeaseKeeperOptions.onRegained`. */
  restore(lease: Lease): Promise<void>;
  /** Called after each heartbeat. */
  beat(lease: Lease): void;
}

/**
 * This server's part among the servers: it holds the lease, watches the leases of the other servers, and cleans up
 * after those that died.
 */
export class ServerLease {
  readonly keeper: LeaseKeeper;
  readonly #options: ResolvedMembershipOptions;
  readonly #failures: FailureReports;
  readonly #state: () => LeasedState;
  /** Detects dead servers by their silence. `undefined` if only the lease decides whether a server is alive. */
  readonly #watch: DeadServerWatch | undefined;
  readonly #reaper: Reaper;
  readonly #lost: ExpiredServers;
  #reaping: Promise<unknown> | undefined;
  #unlisten: () => void = () => undefined;

  /** `state` is called only after the start, because the state is created with this object's keeper. */
  constructor(options: ResolvedMembershipOptions, failures: FailureReports, state: () => LeasedState) {
    this.#options = options;
    this.#failures = failures;
    this.#state = state;
    this.keeper = this.#createKeeper();
    this.#watch = options.deadAfterMs === 0 ? undefined : this.#createWatch();
    this.#lost = new ExpiredServers(options.ids.serverId, options.onServersLost);
    this.#reaper = new Reaper({
      store: options.store,
      claimant: holderName(options.ids),
      claimMs: options.reapClaimMs,
      onClaimed: (serverId) => this.#lost.add(serverId),
      onRefused: (error) => failures.report(error, "reaping"),
    });
  }

  /** Dead servers that this server cleaned up after. */
  get reapedServers(): number {
    return this.#reaper.reapedServers;
  }

  /** Takes the lease and begins to watch. See `Membership.start`. */
  async start(signal: AbortSignal): Promise<void> {
    const { ids, deadAfterMs, reapClaimMs, store } = this.#options;
    await takeLease({
      store,
      serverId: ids.serverId,
      deadAfterMs,
      claimMs: reapClaimMs,
      acquire: () => this.keeper.start(),
      reap: () => this.#reaper.reap(ids.serverId),
      signal,
    });
    // The shutdown waits for this start, and then releases the lease.
    signal.throwIfAborted();
    this.#watch?.start();
    this.#unlisten = store.link.onState((state) => {
      // After `down`, the Redis that responds next may be a replica that lagged, or may have loaded an old
      // snapshot.
      if (state === "down") this.keeper.doubt();
      else if (state === "in-sync") this.keeper.recovered();
    });
  }

  /** See `Membership.reap`. */
  async reap(serverId: string): Promise<number | undefined> {
    return serverId === this.#options.ids.serverId ? undefined : this.#reaper.reap(serverId);
  }

  /** See `Membership.reapExpired`. */
  async reapExpired(): Promise<number> {
    const renewal = await this.keeper.look();
    this.#noteLost(renewal);
    const failures: unknown[] = [];
    const connections = await this.#reaper.reapAll(this.#lost.othersOf(renewal.expired), (cause) =>
      failures.push(cause),
    );
    if (failures.length > 0) throw failures[0];
    return connections;
  }

  /** Ends the watch and the cleanups. The heartbeats continue, because ending the cleanups may take a while. */
  async stopWatching(): Promise<void> {
    this.#unlisten();
    await this.#watch?.stop();
    await Promise.all([this.#reaper.stop(), this.#reaping]);
  }

  async release(): Promise<void> {
    try {
      await this.keeper.release();
    } catch (cause) {
      this.#failures.report(cause, "lease");
    }
  }

  #createKeeper(): LeaseKeeper {
    const { ids, store, host, port, leaseTtlMs, heartbeatIntervalMs, deadAfterMs, onLeaseTaken } = this.#options;
    const { serverId, incarnation, partitionBits } = ids;
    return new LeaseKeeper({
      servers: store.servers,
      registration: { serverId, incarnation, partitionBits, host, port },
      ttlMs: leaseTtlMs,
      intervalMs: heartbeatIntervalMs,
      returnWithinMs: deadAfterMs,
      counters: () => this.#state().counters(),
      onRegained: (lease) => this.#state().restore(lease),
      onBeat: (renewal) => this.#afterBeat(renewal),
      onRenewed: (renewal) => this.#noteLost(renewal),
      onTaken: onLeaseTaken,
      onError: (error) => this.#failures.heartbeatFailed(error),
    });
  }

  #createWatch(): DeadServerWatch {
    const { store, deadAfterMs } = this.#options;
    const { keeper } = this;
    return new DeadServerWatch({
      servers: store.upkeep.servers,
      link: store.link,
      lease: () => (keeper.held ? keeper.current() : undefined),
      areMissing: () => keeper.areMissing,
      deadAfterMs,
      onCounted: (speaking) => keeper.noteSpeaking(speaking),
      onLost: () => keeper.hurry(),
      onDead: ({ serverId }) => this.#onDead(serverId),
      onError: (cause) => this.#failures.taskFailed(cause),
    });
  }

  #noteLost({ expired, unregistered }: Renewal): void {
    this.#lost.replace([...expired, ...unregistered]);
  }

  #afterBeat(renewal: Renewal): void {
    const { lease, expired } = renewal;
    this.#noteLost(renewal);
    this.#state().beat(lease);
    // At most one run at a time; a slow cleanup does not delay the work on this server's own state.
    this.#reaping ??= this.#reaper
      .reapAll(this.#lost.othersOf(expired), (cause) => this.#failures.report(cause, "reaping"))
      .finally(() => {
        this.#reaping = undefined;
      });
  }

  /**
   * Cleans up after a dead server at once, instead of waiting for the heartbeat that would also report the
   * server.
   */
  #onDead(serverId: string): void {
    this.#lost.add(serverId);
    this.#reaper.reap(serverId).catch((cause: unknown) => this.#failures.report(cause, "reaping"));
  }
}
