import { Traffic } from "../counters/traffic-counts.js";
import type { MembersBehind } from "../rooms/members-behind.js";
import type { WaitingLimit } from "./base-connection.js";

/** The part of a connection that the limits need. */
export interface WaitingConnection {
  readonly bufferedBytes: number;
  /**
   * Passes the frames that wait for the end of the turn to the operating system, so that only the bytes that the
   * client does not read are still queued.
   */
  flush(): void;
  /** Ends the connection as a slow consumer. Returns `false` if it was closed already. */
  cutAsSlow(): boolean;
}

/** Share of the total limit that must have been sent since the last check before all connections are checked. */
const CHECK_SHARE = 1 / 16;

/**
 * Enforces the limits on the bytes queued for one connection and for all connections. Counts how often the
 * limits were exceeded, and the frames sent and received.
 *
 * The current total of queued bytes is not tracked. Since the last check the total can't have grown by more than
 * the number of bytes sent since. Only when this upper bound exceeds the limit, all connections are checked,
 * which is rare as long as the clients read.
 */
export class SlowConsumers implements WaitingLimit {
  readonly maxBytes: number;
  readonly #maxTotalBytes: number;
  /** Number of connections cut as slow consumers. */
  closed = 0;
  /** Bytes that were queued for the connections counted by `closed` when they were cut. */
  discardedBytes = 0;

  /** Frames and bytes received from and sent to clients. */
  readonly traffic = new Traffic();
  behind: MembersBehind | undefined;
  #connections: ReadonlyMap<string, WaitingConnection> = new Map();
  /** Total of queued bytes at the last check. */
  #seen = 0;
  /** Bytes sent since the last check, counting each copy. */
  #sentSince = 0;
  #isChecking = false;
  #closedForTotal = 0;

  /** A `maxTotalBytes` of 0 means no limit on the total. */
  constructor(maxBytes: number, maxTotalBytes: number) {
    this.maxBytes = maxBytes;
    this.#maxTotalBytes = maxTotalBytes;
  }

  /** Sets the connections whose queued bytes count. Called once, before any connection is open. */
  watch(connections: ReadonlyMap<string, WaitingConnection>): void {
    this.#connections = connections;
  }

  /** Number of connections that were cut because of the total limit. */
  limits(): Readonly<Record<string, number>> {
    return this.#closedForTotal === 0 ? {} : { backlog: this.#closedForTotal };
  }

  /** Current total of queued bytes. Iterates over all connections. */
  waitingBytes(): number {
    let bytes = 0;
    for (const connection of this.#connections.values()) bytes += connection.bufferedBytes;
    return bytes;
  }

  exceeded(bytes: number): void {
    this.closed += 1;
    this.discardedBytes += bytes;
  }

  sent(bytes: number): void {
    this.traffic.sent(bytes, 1);
    this.grew(bytes);
  }

  /** Reports that `bytes` bytes, counting each copy, are about to be written to sockets. May close connections. */
  grew(bytes: number): void {
    if (this.#maxTotalBytes === 0) return;
    this.#sentSince += bytes;
    if (this.#sentSince < this.#maxTotalBytes * CHECK_SHARE) return;
    if (this.#seen + this.#sentSince > this.#maxTotalBytes) this.#check();
  }

  #check(): void {
    // Return if a check is in progress: it may close connections whose handlers send frames.
    if (this.#isChecking) return;
    this.#isChecking = true;
    this.#sentSince = 0;
    this.#seen = this.waitingBytes();
    if (this.#seen > this.#maxTotalBytes) this.#cutLargest();
    this.#isChecking = false;
  }

  #cutLargest(): void {
    let total = 0;
    const waiting: { readonly connection: WaitingConnection; readonly bytes: number }[] = [];
    for (const connection of this.#connections.values()) {
      connection.flush();
      const bytes = connection.bufferedBytes;
      total += bytes;
      if (bytes > 0) waiting.push({ connection, bytes });
    }
    waiting.sort((a, b) => b.bytes - a.bytes);
    for (const { connection, bytes } of waiting) {
      if (total <= this.#maxTotalBytes) break;
      // The close handler of a connection that was cut before may have closed this one. Its bytes are gone, but it
      // was not cut because of the limit.
      if (connection.cutAsSlow()) this.#closedForTotal += 1;
      total -= bytes;
    }
    this.#seen = total;
  }
}
