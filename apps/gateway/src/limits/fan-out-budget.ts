import { CmError } from "@cm/protocol";
import type { LimitCounter } from "./limit-counter.js";

/** What {@link FanOutBudget} needs. */
export interface FanOutBudgetOptions {
  /** Deliveries a second that one connection may cause; 0: no limit. */
  readonly perSecond: number;
  /** The share of the server's time that large fan-outs may take, in percent; 0: no limit. */
  readonly serverPercent: number;
  readonly limits: LimitCounter;
  /** Milliseconds on a clock that never goes back. */
  readonly monotonicMs: () => number;
}

/** A message to no more than this many is small: it is never refused for the share of all. */
const LARGE_MIN = 100;

/** A connection may be as far behind as this many seconds of its rate. */
const DEBT_SECONDS_MAX = 10;

/** Large fan-outs after a quiet time: as much as takes this long, and one more. */
const SERVER_BURST_MS = 25;

/** One that takes longer, and so keeps others waiting as long, is paid for the more: with twice as much at twice the time. */
const LONG_TURN_MS = 30;

/** What a delivery is taken to cost before one was measured: a system call for each, in milliseconds. */
const FIRST_COST_MS = 0.004;

/** How much a measured turn counts for the cost of a delivery, and the least that it is taken to be. */
const LEARNING_RATE = 0.2;
const LEAST_COST_MS = 0.0002;

/**
 * Bounds what messages cause: each connection has a rate of deliveries, and the large fan-outs of
 * all together have a share of the server's time, so that what others ask is answered in between.
 * What a delivery takes is measured, since a turn of the event loop that has several messages for
 * the same members writes to each socket once.
 */
export class FanOutBudget {
  readonly #options: FanOutBudgetOptions;
  #costMs = FIRST_COST_MS;
  #serverMs = SERVER_BURST_MS;
  #filledAt: number;
  #turn: { readonly beganAt: number; deliveries: number } | undefined;

  constructor(options: FanOutBudgetOptions) {
    this.#options = options;
    this.#filledAt = options.monotonicMs();
  }

  /** The account of one connection. */
  account(): FanOutAccount {
    return new FanOutAccount(this.#options, this);
  }

  /** Whether large fan-outs may go on. One that may is paid for here. */
  takeShare(deliveries: number): boolean {
    const { serverPercent, monotonicMs } = this.#options;
    if (serverPercent === 0 || deliveries <= LARGE_MIN) return true;
    const now = monotonicMs();
    this.#serverMs = Math.min(SERVER_BURST_MS, this.#serverMs + ((now - this.#filledAt) * serverPercent) / 100);
    this.#filledAt = now;
    if (this.#serverMs <= 0) return false;
    const ms = deliveries * this.#costMs;
    this.#serverMs -= ms * Math.max(1, ms / LONG_TURN_MS);
    return true;
  }

  /** A message goes to `deliveries` sockets of this server now; the time of its turn is measured. */
  delivering(deliveries: number): void {
    if (this.#options.serverPercent === 0 || deliveries <= LARGE_MIN) return;
    if (this.#turn !== undefined) {
      this.#turn.deliveries += deliveries;
      return;
    }
    const turn = { beganAt: this.#options.monotonicMs(), deliveries };
    this.#turn = turn;
    // The native layer writes before and after it polls: by the second of the two that is done.
    setImmediate(() => setImmediate(() => this.#measured(turn)));
  }

  #measured({ beganAt, deliveries }: { readonly beganAt: number; readonly deliveries: number }): void {
    this.#turn = undefined;
    const costMs = Math.max(LEAST_COST_MS, (this.#options.monotonicMs() - beganAt) / deliveries);
    this.#costMs += (costMs - this.#costMs) * LEARNING_RATE;
  }
}

/** What one connection may still cause. */
export class FanOutAccount {
  readonly #options: FanOutBudgetOptions;
  readonly #budget: FanOutBudget;
  #tokens: number;
  #filledAt: number;

  constructor(options: FanOutBudgetOptions, budget: FanOutBudget) {
    this.#options = options;
    this.#budget = budget;
    this.#tokens = options.perSecond;
    this.#filledAt = options.monotonicMs();
  }

  /**
   * Pays for a message to `deliveries` sockets, or throws `rate-limited`. A connection with any
   * budget left may send one message, whatever it costs, and then waits until it is paid for.
   */
  pay(deliveries: number): void {
    const { perSecond, limits } = this.#options;
    if (perSecond > 0) {
      this.#fill();
      if (this.#tokens <= 0) {
        limits.count("fan-out");
        throw new CmError(
          "rate-limited",
          "The messages of this connection go to more receivers a second than they may.",
        );
      }
    }
    if (!this.#budget.takeShare(deliveries)) {
      limits.count("server-fan-out");
      throw new CmError("rate-limited", "The server has too many messages to many receivers for now.");
    }
    if (perSecond > 0) this.#tokens -= deliveries;
  }

  /** Pays afterwards for what was not known before. */
  owe(deliveries: number): void {
    const { perSecond } = this.#options;
    if (perSecond === 0) return;
    this.#fill();
    this.#tokens = Math.max(-perSecond * DEBT_SECONDS_MAX, this.#tokens - deliveries);
  }

  #fill(): void {
    const { perSecond, monotonicMs } = this.#options;
    const now = monotonicMs();
    this.#tokens = Math.min(perSecond, this.#tokens + ((now - this.#filledAt) * perSecond) / 1000);
    this.#filledAt = now;
  }
}
