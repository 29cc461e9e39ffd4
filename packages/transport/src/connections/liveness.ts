import type { BaseConnection } from "./base-connection.js";

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

/** A connection and its place in the wheel. */
interface Entry<U> {
  readonly connection: BaseConnection<U>;
  slot: Set<Entry<U>> | undefined;
  pingAt: number;
}

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
export class Liveness<U> {
  readonly #options: LivenessOptions;
  readonly #slots: readonly Set<Entry<U>>[] = Array.from({ length: SLOTS }, () => new Set());
  readonly #entries = new Map<BaseConnection<U>, Entry<U>>();
  #tick = 0;
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

  add(connection: BaseConnection<U>): void {
    const { pingIntervalMs } = this.#options;
    connection.heardAt = this.#now;
    const pingAt = pingIntervalMs === 0 ? Number.POSITIVE_INFINITY : this.#now + Math.random() * pingIntervalMs;
    const entry: Entry<U> = { connection, slot: undefined, pingAt };
    this.#entries.set(connection, entry);
    this.#place(entry);
  }

  remove(connection: BaseConnection<U>): void {
    const entry = this.#entries.get(connection);
    entry?.slot?.delete(entry);
    this.#entries.delete(connection);
  }

  /** Advances the clock, and visits the connections that have become due. */
  advance(elapsedMs: number): void {
    this.#now += Math.min(elapsedMs, ADVANCE_MAX_MS);
    const last = Math.floor(this.#now / TICK_MS);
    while (this.#tick < last) {
      this.#tick += 1;
      for (const entry of this.#slotAt(this.#tick)) this.#visit(entry);
    }
  }

  #measure(): void {
    if (this.#timer === undefined) return;
    const at = performance.now();
    const elapsed = at - this.#measuredAt;
    this.#measuredAt = at;
    this.advance(elapsed);
  }

  #visit(entry: Entry<U>): void {
    const { connection } = entry;
    if (this.#now >= this.#idleAt(connection)) {
      // The close event is emitted within the call, and removes the entry.
      connection.cut("idle-timeout");
      return;
    }
    if (this.#now >= entry.pingAt) {
      entry.pingAt += this.#options.pingIntervalMs;
      connection.pongsDue += 1;
      connection.ping();
    }
    if (this.#entries.has(connection)) this.#place(entry);
  }

  /**
   * The time at which a connection is cut if nothing more arrives from it. `heardAt` may be up to
   * `ADVANCE_MAX_MS` too early, so `ADVANCE_MAX_MS` is added, and no connection is cut early.
   */
  #idleAt(connection: BaseConnection<U>): number {
    return connection.heardAt + this.#options.idleTimeoutMs + ADVANCE_MAX_MS;
  }

  #place(entry: Entry<U>): void {
    const due = Math.ceil(Math.min(entry.pingAt, this.#idleAt(entry.connection)) / TICK_MS);
    entry.slot?.delete(entry);
    entry.slot = this.#slotAt(Math.min(Math.max(due, this.#tick + 1), this.#tick + SLOTS - 1));
    entry.slot.add(entry);
  }

  #slotAt(tick: number): Set<Entry<U>> {
    // The remainder is always a valid index.
    return this.#slots[tick % SLOTS] as Set<Entry<U>>;
  }
}
