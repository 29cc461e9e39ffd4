import { Traffic } from "../counters/traffic.js";
import type { LaggingMembers } from "../rooms/lagging-members.js";
import type { WaitingLimit } from "./live-connection.js";

/** A connection, as the budget looks at it. */
export interface WaitingConnection {
  readonly bufferedBytes: number;
  /** Hands what can be written to the system, so that only what the client does not read still waits. */
  flush(): void;
  /** Ends the connection as a slow consumer. */
  cutAsSlow(): void;
}

/** All connections are looked at when what waits may have grown by this share of the budget. */
const LOOK_SHARE = 1 / 16;

/**
 * The limits on what may wait on one connection and on all, how often they were exceeded, and
 * what was sent and received.
 *
 * What waits in all is not known at each moment. It can't have grown by more than what was sent
 * since it was last looked at, so that the look at all connections is rare while they read.
 */
export class SlowConsumers implements WaitingLimit {
  readonly maxBytes: number;
  readonly #maxTotalBytes: number;
  /** Connections cut as slow consumers. */
  closed = 0;
  /** Bytes that had waited on them. */
  discardedBytes = 0;

  /** Frames and bytes from and to clients. */
  readonly traffic = new Traffic();
  lagging: LaggingMembers | undefined;
  #connections: ReadonlyMap<string, WaitingConnection> = new Map();
  /** What waited on all connections at the last look. */
  #seen = 0;
  /** Bytes that were sent since, each copy counted. */
  #sentSince = 0;
  #isLooking = false;
  #closedForTotal = 0;

  /** `maxTotalBytes` 0: no limit on what waits in all. */
  constructor(maxBytes: number, maxTotalBytes: number) {
    this.maxBytes = maxBytes;
    this.#maxTotalBytes = maxTotalBytes;
  }

  /** The connections whose backlogs count. Called once, before any is open. */
  watch(connections: ReadonlyMap<string, WaitingConnection>): void {
    this.#connections = connections;
  }

  /** How often the limit on all was met: connections cut for it. */
  limits(): Readonly<Record<string, number>> {
    return this.#closedForTotal === 0 ? {} : { backlog: this.#closedForTotal };
  }

  /** Bytes that wait on all connections now. Costs a look at each. */
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

  /** `bytes` bytes are about to be handed to sockets, each copy counted. May close connections. */
  grew(bytes: number): void {
    if (this.#maxTotalBytes === 0) return;
    this.#sentSince += bytes;
    if (this.#sentSince < this.#maxTotalBytes * LOOK_SHARE) return;
    if (this.#seen + this.#sentSince > this.#maxTotalBytes) this.#look();
  }

  #look(): void {
    // The close handlers may send, and come by here again.
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#sentSince = 0;
    this.#seen = this.waitingBytes();
    if (this.#seen > this.#maxTotalBytes) this.#cutLargest();
    this.#isLooking = false;
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
      connection.cutAsSlow();
      this.#closedForTotal += 1;
      total -= bytes;
    }
    this.#seen = total;
  }
}
