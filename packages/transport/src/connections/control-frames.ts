import type { CloseReason } from "@cm/protocol";
import { type BucketRate, burstRate, TokenBucket } from "../token-bucket.js";

/** Size of the header of a pong from a server, in bytes. The payload of a pong is at most 125 bytes (RFC 6455). */
const PONG_HEADER_BYTES = 2;

/** The connection that control frames belong to. */
interface FrameSender {
  readonly open: boolean;
  /** Number of pings of the server that the client has not answered. */
  pongsDue: number;
  controlFrames: TokenBucket | undefined;
  checkWaiting(): void;
  close(reason: CloseReason, text: string): void;
}

/** Counts bytes that the WebSocket library queued by itself. */
interface QueuedBytes {
  grew(bytes: number): void;
}

/**
 * Limits the pings and unsolicited pongs of each connection, and the bytes that its pings cause. The WebSocket
 * library answers every ping with a pong by itself and never looks at the connection's queue: the pongs to a
 * client that pings without reading would fill the memory.
 */
export class ControlFrames {
  readonly #rate: BucketRate;
  readonly #queued: QueuedBytes;
  #exceeded = 0;

  /** A `perSecond` of 0 means no limit. */
  constructor(perSecond: number, queued: QueuedBytes) {
    this.#rate = burstRate(perSecond);
    this.#queued = queued;
  }

  /** Number of connections that were closed because of the limit. */
  limits(): Readonly<Record<string, number>> {
    return this.#exceeded === 0 ? {} : { "control-frames": this.#exceeded };
  }

  /** Handles a ping with a payload of `byteLength` bytes that the library has answered. May close connections. */
  pinged(connection: FrameSender, byteLength: number): void {
    this.#queued.grew(byteLength + PONG_HEADER_BYTES);
    connection.checkWaiting();
    this.#take(connection);
  }

  /** Handles a pong. Returns `false` if the connection is closed, also if it was closed now for one pong too many. */
  ponged(connection: FrameSender): boolean {
    if (connection.pongsDue === 0) return this.#take(connection);
    connection.pongsDue -= 1;
    return true;
  }

  #take(connection: FrameSender): boolean {
    if (this.#rate.perSecond === 0 || !connection.open) return connection.open;
    const now = performance.now();
    connection.controlFrames ??= new TokenBucket(this.#rate, now);
    if (connection.controlFrames.take(now)) return true;
    this.#exceeded += 1;
    connection.close("overloaded", "too many pings and pongs");
    return false;
  }
}
