import type { BaseConnection } from "./base-connection.js";
import type { SlowConsumers } from "./slow-consumers.js";

/** Size of a burst, in seconds of the allowed rate. */
const BURST_SECONDS = 2;

/** Size of the header of a pong from a server, whose payload is at most 125 bytes (RFC 6455). */
const PONG_HEADER_BYTES = 2;

/** The number of control frames that a connection may still send at a given time. */
export interface ControlFrameBudget {
  left: number;
  filledAt: number;
}

/**
 * Limits the pings and unsolicited pongs of each connection, and the bytes that its pings cause. The WebSocket
 * library answers every ping with a pong by itself and never looks at the connection's queue: the pongs to a
 * client that pings without reading would fill the memory.
 */
export class ControlFrames {
  readonly #perSecond: number;
  readonly #slow: SlowConsumers;
  #exceeded = 0;

  /** A `perSecond` of 0 means no limit. */
  constructor(perSecond: number, slow: SlowConsumers) {
    this.#perSecond = perSecond;
    this.#slow = slow;
  }

  /** Number of connections that were closed because of the limit. */
  limits(): Readonly<Record<string, number>> {
    return this.#exceeded === 0 ? {} : { "control-frames": this.#exceeded };
  }

  /** Handles a ping with a payload of `byteLength` bytes that the library has answered. May close connections. */
  pinged<U>(connection: BaseConnection<U>, byteLength: number): void {
    this.#slow.grew(byteLength + PONG_HEADER_BYTES);
    connection.checkWaiting();
    this.#take(connection);
  }

  /** Handles a pong. Returns `false` if it was one too many, and the connection has been closed. */
  ponged<U>(connection: BaseConnection<U>): boolean {
    if (connection.pongsDue === 0) return this.#take(connection);
    connection.pongsDue -= 1;
    return true;
  }

  #take<U>(connection: BaseConnection<U>): boolean {
    if (this.#perSecond === 0 || !connection.open) return connection.open;
    const now = performance.now();
    const burst = this.#perSecond * BURST_SECONDS;
    connection.controlFrames ??= { left: burst, filledAt: now };
    const budget = connection.controlFrames;
    budget.left = Math.min(burst, budget.left + ((now - budget.filledAt) * this.#perSecond) / 1000) - 1;
    budget.filledAt = now;
    if (budget.left >= 0) return true;
    this.#exceeded += 1;
    connection.close("overloaded", "too many pings and pongs");
    return false;
  }
}
