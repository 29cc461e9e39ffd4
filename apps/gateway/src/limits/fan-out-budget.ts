import { CmError } from "@cm/protocol";
import { type BucketRate, TokenBucket } from "@cm/transport";
import type { LimitCounter } from "./limit-counter.js";

/** Options of {@link FanOutBudget}. */
export interface FanOutBudgetOptions {
  /** Deliveries per second that one connection may cause; 0: no limit. */
  readonly perSecond: number;
  /** Share of the server's time that large fan-outs may take, in percent; 0: no limit. */
  readonly serverPercent: number;
  readonly limits: LimitCounter;
  /** Milliseconds on a monotonic clock. */
  readonly monotonicMs: () => number;
}

/** Maximum number of receivers of a small message; small messages do not count against the server's share. */
const LARGE_MIN = 100;

/** Maximum debt of a connection, in seconds of its delivery rate. */
const DEBT_SECONDS_MAX = 10;

/**
 * Time that large fan-outs may take in a burst after a quiet period, in milliseconds. A fan-out may begin while any
 * of it is left.
 */
const SERVER_BURST_MS = 25;

/**
 * Duration of a fan-out, in milliseconds, above which it costs more than its time, because it blocks other
 * work: a fan-out of twice this duration costs twice as much per millisecond.
 */
const LONG_TURN_MS = 30;

/**
 * Time within which only the first message of a connection with an unknown number of receivers needs no count of
 * them, in milliseconds.
 */
const UNKNOWN_PAUSE_MS = 1_000;

/** Assumed time of a delivery before the first measurement, in milliseconds: that of one system call. */
const FIRST_COST_MS = 0.004;

/**
 * Weight of a new measurement in the average time of a delivery, and lower bound of a measurement in milliseconds.
 */
const LEARNING_RATE = 0.2;
const LEAST_COST_MS = 0.0002;

/**
 * Limits the load that messages cause: each connection has a rate of deliveries, and the large fan-outs of all
 * connections together have a share of the server's time, so that other requests are handled in between. The
 * time of a delivery is measured rather than assumed, because a turn of the event loop that has several
 * messages for the same members writes to each socket only once.
 */
export class FanOutBudget {
  readonly #options: FanOutBudgetOptions;
  /** The rate of deliveries of each connection. */
  readonly rate: BucketRate;
  #costMs = FIRST_COST_MS;
  /** The time that large fan-outs may take, in milliseconds. */
  readonly #serverMs: TokenBucket;
  #turn: { readonly beganAt: number; deliveries: number } | undefined;

  constructor(options: FanOutBudgetOptions) {
    this.#options = options;
    this.rate = { perSecond: options.perSecond, max: options.perSecond };
    const share = { perSecond: 10 * options.serverPercent, max: SERVER_BURST_MS };
    this.#serverMs = new TokenBucket(share, options.monotonicMs());
  }

  /** Whether there is any limit, so that the number of a message's receivers matters. */
  get isLimited(): boolean {
    return this.#options.perSecond > 0 || this.#options.serverPercent > 0;
  }

  /** Creates the account of one connection. */
  account(): FanOutAccount {
    return new FanOutAccount(this.#options, this);
  }

  /** Whether a message to this many receivers may be sent. If it may, its time is deducted. */
  takeShare(deliveries: number): boolean {
    const { serverPercent, monotonicMs } = this.#options;
    if (serverPercent === 0 || deliveries <= LARGE_MIN) return true;
    if (this.#serverMs.left(monotonicMs()) <= 0) return false;
    const ms = deliveries * this.#costMs;
    this.#serverMs.spend(ms * Math.max(1, ms / LONG_TURN_MS));
    return true;
  }

  /**
   * Call this when a message is about to be written to `deliveries` sockets of this server. Measures the time
   * of the turn.
   */
  delivering(deliveries: number): void {
    if (this.#options.serverPercent === 0 || deliveries <= LARGE_MIN) return;
    if (this.#turn !== undefined) {
      this.#turn.deliveries += deliveries;
      return;
    }
    const turn = { beganAt: this.#options.monotonicMs(), deliveries };
    this.#turn = turn;
    // The native layer writes before and after it polls; by the second `setImmediate` both writes are done.
    setImmediate(() => setImmediate(() => this.#measured(turn)));
  }

  #measured({ beganAt, deliveries }: { readonly beganAt: number; readonly deliveries: number }): void {
    this.#turn = undefined;
    const costMs = Math.max(LEAST_COST_MS, (this.#options.monotonicMs() - beganAt) / deliveries);
    this.#costMs += (costMs - this.#costMs) * LEARNING_RATE;
  }
}

// Created once, because recording the call stack of an error takes longer than all else that a refusal costs.
const CONNECTION_LIMIT = new CmError(
  "rate-limited",
  "This connection's messages exceed the limit of recipients per second.",
);
const SERVER_LIMIT = new CmError(
  "rate-limited",
  "The server has reached its limit of deliveries per second; try again later.",
);

/** The deliveries that one connection may still cause. */
export class FanOutAccount {
  readonly #options: FanOutBudgetOptions;
  readonly #budget: FanOutBudget;
  readonly #deliveries: TokenBucket;
  #unknownAt = Number.NEGATIVE_INFINITY;

  constructor(options: FanOutBudgetOptions, budget: FanOutBudget) {
    this.#options = options;
    this.#budget = budget;
    this.#deliveries = new TokenBucket(budget.rate, options.monotonicMs());
  }

  /**
   * Deducts a message to `deliveries` sockets, or throws `rate-limited`. A connection with any budget left may
   * send one message of any size, and then has to wait until its debt is paid off.
   */
  pay(deliveries: number): void {
    const { perSecond, limits, monotonicMs } = this.#options;
    if (perSecond > 0 && this.#deliveries.left(monotonicMs()) <= 0) {
      limits.count("fan-out");
      throw CONNECTION_LIMIT;
    }
    if (!this.#budget.takeShare(deliveries)) {
      limits.count("server-fan-out");
      throw SERVER_LIMIT;
    }
    this.#deliveries.spend(deliveries);
  }

  /** Deducts the cost, in deliveries, of a request whose size was not known in advance. */
  owe(deliveries: number): void {
    const { perSecond, monotonicMs } = this.#options;
    this.#deliveries.left(monotonicMs());
    this.#deliveries.spend(deliveries, perSecond * DEBT_SECONDS_MAX);
  }

  /**
   * Call this for each message whose number of receivers is not known. Returns whether it is the connection's first
   * one within a second, so that its receivers need not be counted.
   */
  isFirstOfUnknownSize(): boolean {
    const now = this.#options.monotonicMs();
    if (now - this.#unknownAt <= UNKNOWN_PAUSE_MS) return false;
    this.#unknownAt = now;
    return true;
  }
}
