import {
  CmError,
  isCmError,
  type Lease,
  type Renewal,
  type ServerCounters,
  type ServerRegistration,
  type ServerRegistry,
  toCmError,
} from "@cm/protocol";
import { MissingServers } from "./missing-servers.js";

/** Options of {@link LeaseKeeper}. */
export interface LeaseKeeperOptions {
  readonly servers: ServerRegistry;
  readonly registration: ServerRegistration;
  readonly ttlMs: number;
  readonly intervalMs: number;
  /** Time within which every living server notices that the store lost its lease; 0 if this is not bounded. */
  readonly returnWithinMs: number;
  readonly counters: () => ServerCounters;
  /**
   * Called after the lease was acquired again, before any caller can write under it, and after a heartbeat
   * that follows a {@link LeaseKeeper.doubt}. If it rejects, it is called again after a later heartbeat, and
   * the lease does not count as held until then.
   */
  readonly onRegained: (lease: Lease) => Promise<void>;
  /** Called with the renewal after each successful heartbeat. */
  readonly onBeat: (renewal: Renewal) => void;
  /** Called with the renewal of a {@link LeaseKeeper.check}: what it reports, no later renewal reports again. */
  readonly onRenewed: (renewal: Renewal) => void;
  /** Called once if the lease expired and another incarnation acquired it. */
  readonly onTaken: (error: CmError) => void;
  readonly onError: (error: CmError) => void;
}

/** Delay before the next heartbeat after a failed one, in milliseconds; at most the heartbeat interval. */
const RETRY_MS = 500;

/**
 * Maximum random delay before a heartbeat when the store is reachable again, in milliseconds, so that servers
 * that notice this at the same time do not all write everything again at once.
 */
const RECOVERY_SPREAD_MS = 1_000;

/**
 * Projecting everything after a regained lease is expensive. On failure, back off exponentially,
 * capped at the larger of MAX_BACKOFF_MS and the heartbeat interval.
 */
const MAX_BACKOFF_MS = 5_000;

/**
 * Holds one server's lease: acquires it, renews it, and acquires it again after the store lost it
 * or it expired while the process was paused.
 */
export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  #lease: Lease | undefined;
  /** When the store last confirmed the lease, on the monotonic clock. */
  #confirmedAt = 0;
  #held = false;
  /**
   * Whether everything must be projected again, because the lease was regained or the store may have lost
   * data.
   */
  #unfinished = false;
  /** Consecutive failures to project everything, and the monotonic time at which the next attempt is due. */
  #failures = 0;
  #resumeAt = 0;
  /** The servers that sent signs of life before the lease was lost, and may have to return. */
  readonly #missing: MissingServers;
  #fault: CmError | undefined;
  #isTaken = false;
  #timer: NodeJS.Timeout | undefined;
  #regaining: Promise<Lease> | undefined;
  /** The check that waits for the store's answer, and the one that is sent after it. */
  #checking: Promise<boolean> | undefined;
  #nextCheck: Promise<boolean> | undefined;
  #beating: Promise<void> = Promise.resolve();
  #isBeating = false;
  #stopped = false;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
    this.#missing = new MissingServers(options.returnWithinMs);
  }

  /** Whether the lease was held according to the store's latest response. */
  get held(): boolean {
    return this.#held;
  }

  /**
   * Milliseconds since the store last acquired or renewed the lease; `undefined` before it was acquired and after it
   * was released.
   */
  get ageMs(): number | undefined {
    return this.#lease === undefined ? undefined : performance.now() - this.#confirmedAt;
  }

  /** Whether the lease was acquired and not released since. */
  get acquired(): boolean {
    return this.#lease !== undefined;
  }

  /** The fault that concerns the whole store, as found by the latest heartbeat; see `Renewal`. */
  get fault(): CmError | undefined {
    return this.#fault;
  }

  async start(): Promise<void> {
    this.#confirmed(await this.#options.servers.acquire(this.#options.registration, this.#options.ttlMs));
    this.#held = true;
    this.#schedule(this.#options.intervalMs);
  }

  /**
   * Runs a write under the lease. A write refused with `lease-lost` is retried once, after the lease was
   * acquired again.
   */
  async write<T>(operation: (lease: Lease) => Promise<T>): Promise<T> {
    const lease = this.#regaining === undefined ? this.current() : await this.#regaining;
    try {
      return await operation(lease);
    } catch (error) {
      if (this.#stopped || !isCmError(error) || error.code !== "lease-lost") throw error;
    }
    return operation(await this.#regain(lease));
  }

  /**
   * Returns the lease as last returned by the store. Throws `closed` if it was never acquired or was
   * released.
   */
  current(): Lease {
    if (this.#lease === undefined) throw new CmError("closed", "The server does not hold a lease.");
    return this.#lease;
  }

  /** Sends an extra heartbeat; resolves with its renewal. */
  async look(): Promise<Renewal> {
    const { servers, counters } = this.#options;
    const renewal = await this.write((lease) => servers.renew(lease, counters()));
    this.#refresh(renewal);
    return renewal;
  }

  /**
   * Stores the renewed lease if it expires later than the known one. A concurrent heartbeat may have returned
   * a later expiry, or the lease may have been acquired again since.
   */
  #refresh({ lease }: Renewal): void {
    const current = this.#lease;
    if (current?.token === lease.token && current.expiresAtMs < lease.expiresAtMs) this.#confirmed(lease);
  }

  #confirmed(lease: Lease): void {
    this.#lease = lease;
    this.#confirmedAt = performance.now();
  }

  /**
   * Resolves with `true` if the store holds the lease and all data written under it, and no server that sent signs of
   * life before a loss is still awaited. The renewal that finds this out is sent after the call, so that it also
   * judges earlier reads of the caller. At most one is on its way; calls that wait share the next one. If the lease
   * is lost, the next heartbeat is sent at once. `false` also if the store does not respond.
   */
  check(): Promise<boolean> {
    if (this.#checking === undefined) return this.#startCheck();
    this.#nextCheck ??= this.#checking.then(() => this.#startCheck());
    return this.#nextCheck;
  }

  #startCheck(): Promise<boolean> {
    this.#nextCheck = undefined;
    this.#checking = this.#check();
    void this.#checking.then(() => {
      if (this.#nextCheck === undefined) this.#checking = undefined;
    });
    return this.#checking;
  }

  async #check(): Promise<boolean> {
    if (!this.#held || this.#lease === undefined) return false;
    const { servers, counters, onRenewed } = this.#options;
    try {
      const renewal = await servers.renew(this.#lease, counters());
      this.#refresh(renewal);
      // The next renewal reports only what has happened since this one.
      onRenewed(renewal);
    } catch (error) {
      if (isCmError(error) && error.code === "lease-lost") this.hurry();
      return false;
    }
    // Return the current value: the lease may have been lost since the check began, and its data may have
    // to be written again.
    return this.#held && !this.#unfinished && !this.#missing.areMissing;
  }

  /**
   * Records that the store may lack acknowledged writes even if it holds the lease: after the next successful
   * heartbeat, everything is projected again as after a regained lease.
   */
  doubt(): void {
    this.#unfinished = true;
  }

  /**
   * Called when the store is reachable again. If everything has yet to be projected again, sends the next heartbeat
   * within a second, unless one is in progress.
   */
  recovered(): void {
    if (!this.#unfinished || this.#isBeating || this.#stopped || this.#lease === undefined) return;
    clearTimeout(this.#timer);
    this.#schedule(Math.random() * Math.min(RECOVERY_SPREAD_MS, this.#options.intervalMs));
  }

  /** Whether servers have yet to write their data again after the store lost it. */
  get areMissing(): boolean {
    return this.#missing.areMissing;
  }

  /** Records the number of servers that send signs of life, while the registry holds this lease. */
  noteSpeaking(count: number): void {
    this.#missing.noteSpeaking(count);
  }

  /** Called when the lease may be lost: sends a heartbeat now, unless one is in progress. */
  hurry(): void {
    this.#held = false;
    if (this.#isBeating || this.#stopped) return;
    clearTimeout(this.#timer);
    this.#beating = this.#beat();
  }

  /** Stops the heartbeats. The lease is kept until {@link release}. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#beating;
  }

  async release(): Promise<void> {
    const lease = this.#lease;
    this.#lease = undefined;
    this.#held = false;
    if (lease !== undefined) await this.#options.servers.unregister(lease);
  }

  #schedule(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#beating = this.#beat();
    }, delayMs);
    this.#timer.unref();
  }

  async #beat(): Promise<void> {
    this.#isBeating = true;
    await this.#beatOnce();
    this.#isBeating = false;
  }

  async #beatOnce(): Promise<void> {
    const { intervalMs } = this.#options;
    try {
      await this.#renew();
      this.#schedule(this.#failures === 0 ? intervalMs : Math.min(intervalMs, this.#backoffLeftMs));
    } catch (cause) {
      this.#held = false;
      const error = toCmError(cause, "unavailable", "The heartbeat failed.");
      if (error.code === "layout-mismatch") this.#noteFault(error);
      else this.#options.onError(error);
      this.#schedule(Math.min(RETRY_MS, intervalMs));
    }
  }

  get #backoffLeftMs(): number {
    return Math.max(0, this.#resumeAt - performance.now());
  }

  /** Stores the fault and reports it once, even if several heartbeats find it. */
  #noteFault(fault: CmError | undefined): void {
    const isNews = fault !== undefined && fault.message !== this.#fault?.message;
    this.#fault = fault;
    if (isNews) this.#options.onError(fault);
  }

  async #renew(): Promise<void> {
    const lease = this.current();
    const { servers, counters, onBeat } = this.#options;
    try {
      const renewal = await servers.renew(lease, counters());
      this.#confirmed(renewal.lease);
      this.#noteFault(renewal.fault);
      if (this.#unfinished) {
        if (this.#backoffLeftMs > 0) return;
        await this.#finishRegaining(renewal.lease);
      }
      this.#held = true;
      onBeat(renewal);
    } catch (error) {
      if (!isCmError(error) || error.code !== "lease-lost" || this.#stopped) throw error;
      await this.#regain(lease);
    }
  }

  /** Acquires the lease again. Writes that find the lease lost at the same time share one attempt. */
  #regain(lost: Lease): Promise<Lease> {
    if (this.#lease !== undefined && this.#lease.token !== lost.token) return Promise.resolve(this.#lease);
    this.#regaining ??= this.#acquireAnew().finally(() => {
      this.#regaining = undefined;
    });
    return this.#regaining;
  }

  async #acquireAnew(): Promise<Lease> {
    this.#held = false;
    this.#missing.noteLoss();
    const { servers, registration, ttlMs } = this.#options;
    const lease = await servers.acquire(registration, ttlMs).catch((error: unknown) => {
      if (isCmError(error) && error.code === "server-id-taken") this.#onTaken(error);
      throw error;
    });
    this.#confirmed(lease);
    this.#unfinished = true;
    await this.#finishRegaining(lease);
    this.#held = true;
    return lease;
  }

  #onTaken(error: CmError): void {
    if (this.#isTaken) return;
    this.#isTaken = true;
    this.#options.onTaken(error);
  }

  async #finishRegaining(lease: Lease): Promise<void> {
    // Cleared before the call: a `doubt()` during the call sets it again, so that the next heartbeat projects once
    // more.
    this.#unfinished = false;
    try {
      await this.#options.onRegained(lease);
      this.#failures = 0;
    } catch (error) {
      this.#unfinished = true;
      const { intervalMs } = this.#options;
      const firstMs = Math.min(RETRY_MS, intervalMs);
      const backoffMs = Math.min(firstMs * 2 ** this.#failures, Math.max(MAX_BACKOFF_MS, intervalMs));
      this.#failures++;
      // Jitter: servers that failed together must not retry together.
      this.#resumeAt = performance.now() + backoffMs * (0.75 + Math.random() / 2);
      throw error;
    }
  }
}
