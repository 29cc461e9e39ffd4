import { SlowConsumers } from "@cm/transport";
import type { NativeConnection } from "./native-connection.js";
import { TurnFrames } from "./turn-frames.js";

/**
 * Minimum number of published bytes between two checks of all connections. It keeps the cost of the checks to a
 * few percent of the processor time.
 */
const CHECK_EVERY_MIN_BYTES = 256 * 1024;

/** Maximum size of a frame's header, in bytes. It is added to the size of every message. */
const FRAME_HEADER_BYTES = 10;

/** A native buffer doubles as it grows, so it takes up to twice as much memory as the bytes in it. */
const NATIVE_BUFFER_GROWTH = 2;

/**
 * The native limit on queued bytes. It is set too high to be reached, for the reason given at {@link
 * Backpressure}.
 */
export const NATIVE_BACKPRESSURE_MAX = 0x7fff_ffff;

/**
 * Limits the bytes queued for slow connections, without ever leaving a gap in a connection's frames.
 *
 * With the native limit (`maxBackpressure`), uWebSockets.js may drop a message and send the next one: while it
 * writes a subscriber's queue, and when a direct send follows in the same call. Its `dropped` event is emitted
 * only once, even if dozens of messages are lost. Therefore the native limit is set too high to be reached, and
 * this class counts instead: the queue of a socket can't have grown by more than all bytes published since the
 * last check. Each time another `#checkEveryBytes` bytes have been published, all connections are checked (about
 * 10 ns each), and those over the limit are cut. A connection thus misses no frame before it is closed.
 */
export class Backpressure<U> extends SlowConsumers {
  readonly #connections: ReadonlyMap<string, NativeConnection<U>>;
  readonly #checkEveryBytes: number;
  /** The frames to single connections in this turn. */
  readonly turn = new TurnFrames(() => this.traffic.wrote(1));
  #unchecked = 0;

  constructor(connections: ReadonlyMap<string, NativeConnection<U>>, maxBytes: number, maxTotalBytes: number) {
    super(maxBytes, maxTotalBytes / NATIVE_BUFFER_GROWTH);
    this.#connections = connections;
    this.#checkEveryBytes = Math.max(maxBytes, CHECK_EVERY_MIN_BYTES);
  }

  /** Must be called before each publish, with the number of members. May close connections. */
  publishing(frame: Uint8Array, members: number): void {
    // Write the collected frames now to keep the order of the calls: uWebSockets.js would write a published
    // message before frames that are sent later.
    this.turn.release();
    const bytes = frame.byteLength + FRAME_HEADER_BYTES;
    this.grew(bytes * members);
    this.#unchecked += bytes;
    if (this.#unchecked > this.#checkEveryBytes) this.#checkAll(frame.byteLength);
  }

  #checkAll(pendingBytes: number): void {
    // Reset the counter before the checks: they may close a connection whose handler publishes, which calls
    // this method again.
    this.#unchecked = pendingBytes;
    for (const connection of this.#connections.values()) connection.checkWaiting();
  }
}
