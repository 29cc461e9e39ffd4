import type { BaseConnection, LivenessSlot } from "./base-connection.js";

/** Options of {@link Liveness}, in milliseconds. */
export interface LivenessOptions {
  /** Time between two pings to one connection; 0: no pings. */
  readonly pingIntervalMs: number;
  /** Time without any data from a client, not even a pong, after which its connection is cut. */
  readonly idleTimeoutMs: number;
}

/** Interval at which the clock advances and due connections are visited, in milliseconds. */
const TICK_MS = 100;

/**
 * Maximum time that the clock advances in one tick, in milliseconds. While the process is blocked, it reads
 * nothing and sends no pings, so the blocked time must not count as time in which the client sent nothing.
 */
const ADVANCE_MAX_MS = 1_000;

/**
 * Number of slots of the wheel. A connection that is due more than this many ticks from now is visited before
 * it is due, and then placed again.
 */
const SLOTS = 256;

/**
 * Pings every connection once per interval, and cuts connections from which nothing has arrived for
 * `idleTimeoutMs`.
 *
 * This is not left to the WebSocket library. uWebSockets.js pings only shortly before its idle timeout: after
 * 105 s of 120, but nginx and many other load balancers cut a quiet connection after 60 s. It also counts in
 * steps of 4 s, so it may cut a connection up to 4 s too early.
 *
 * A timing wheel holds each connection in the slot of the tick at which the connection is due, so that a tick
 * only visits the connections that are due. The first pings of connections that opened together are spread over
 * one interval.
 */
export class Liveness {
  readonly #options: LivenessOptions;
  readonly #slots: readonly LivenessSlot[] = Array.from({ length: SLOTS }, () => new Set());
  #tick = 0;
  /** A whole number, like all times on this clock: V8 stores a number with a fraction in an object of its own. */
  #now = 0;
  #measuredAt = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LivenessOptions) {
    this.#options = options;
  }

  /**
   * The time in milliseconds on the clock that {@link BaseConnection.heardAt} is taken from. The clock advances
   * only with each tick, by at most `ADVANCE_MAX_MS`, so the time may be up to that much too early.
   */
  get now(): number {
    return this.#now;
  }

  start(): void {
    this.#measuredAt = performance.now();
    this.#timer = setInterval(() => {
      // Measure after the poll, so that data that arrived while the process was busy is read first.
      setImmediate(() => this.#measure());
    }, TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  add(connection: BaseConnection<unknown>): void {
    const { pingIntervalMs } = this.#options;
    connection.heardAt = this.#now;
    if (pingIntervalMs > 0) connection.pingAt = this.#now + Math.ceil(Math.random() * pingIntervalMs);
    this.#place(connection);
  }

  remove(connection: BaseConnection<unknown>): void {
    connection.slot?.delete(connection);
    connection.slot = undefined;
  }

  /** Advances the clock by whole milliseconds, and visits the connections that have become due. */
  advance(elapsedMs: number): void {
    this.#now += Math.min(elapsedMs, ADVANCE_MAX_MS);
    const last = Math.floor(this.#now / TICK_MS);
    while (this.#tick < last) {
      this.#tick += 1;
      for (const connection of this.#slotAt(this.#tick)) this.#visit(connection);
    }
  }

  #measure(): void {
    if (this.#timer === undefined) return;
    const at = performance.now();
    const elapsed = Math.floor(at - this.#measuredAt);
    this.#measuredAt += elapsed;
    this.advance(elapsed);
  }

  #visit(connection: BaseConnection<unknown>): void {
    if (this.#now >= this.#idleAt(connection)) {
      // The close event is emitted within the call, and removes the connection.
      connection.cutAsIdle();
      return;
    }
    if (connection.pingAt !== undefined && this.#now >= connection.pingAt) {
      connection.pingAt += this.#options.pingIntervalMs;
      connection.pongsDue += 1;
      connection.ping();
    }
    if (connection.slot !== undefined) this.#place(connection);
  }

  /**
   * The time at which a connection is cut if nothing more arrives from it. `heardAt` may be up to
   * `ADVANCE_MAX_MS` too early, so `ADVANCE_MAX_MS` is added, and no connection is cut early.
   */
  #idleAt(connection: BaseConnection<unknown>): number {
    return connection.heardAt + this.#options.idleTimeoutMs + ADVANCE_MAX_MS;
  }

  #place(connection: BaseConnection<unknown>): void {
    const idleAt = this.#idleAt(connection);
    const due = Math.ceil(Math.min(connection.pingAt ?? idleAt, idleAt) / TICK_MS);
    connection.slot?.delete(connection);
    connection.slot = this.#slotAt(Math.min(Math.max(due, this.#tick + 1), this.#tick + SLOTS - 1));
    connection.slot.add(connection);
  }

  #slotAt(tick: number): LivenessSlot {
    // The remainder is always a valid index.
    return this.#slots[tick % SLOTS] as LivenessSlot;
  }
}
