import { SlowConsumers } from "@cm/transport";
import type { NativeConnection } from "./native-connection.js";
import { TurnFrames } from "./turn-frames.js";

/** The least number of bytes between two looks at all connections; keeps their cost under a few percent. */
const CHECK_EVERY_MIN_BYTES = 256 * 1024;

/** The frame header at its longest: counted with every message. */
const FRAME_HEADER_BYTES = 10;

/** A native buffer doubles as it grows, so that it holds up to twice as much memory as waits in it. */
const NATIVE_BUFFER_GROWTH = 2;

/** The native limit on waiting bytes, out of reach: {@link Backpressure} says why. */
export const NATIVE_BACKPRESSURE_MAX = 0x7fff_ffff;

/**
 * Keeps what waits on slow connections within bounds, without a hole in any stream.
 *
 * The native limit (`maxBackpressure`) drops a message and may send the next one: while
 * it empties a subscriber's queue, and when a direct send follows in the same call. Its
 * `dropped` event comes once where dozens are lost. So the native limit is set out of
 * reach, and this side counts: no socket can have grown by more than what was published
 * in all since it was last looked at. Every `#checkEveryBytes` published bytes, all are looked at
 * (some 10 ns each), and those over the limit are cut. A connection has thus received
 * every frame so far, or it is gone.
 */
export class Backpressure<U> extends SlowConsumers {
  readonly #connections: ReadonlyMap<string, NativeConnection<U>>;
  readonly #checkEveryBytes: number;
  /** What was sent to single connections in this turn. */
  readonly turn = new TurnFrames(() => this.traffic.wrote(1));
  #unchecked = 0;

  constructor(connections: ReadonlyMap<string, NativeConnection<U>>, maxBytes: number, maxTotalBytes: number) {
    super(maxBytes, maxTotalBytes / NATIVE_BUFFER_GROWTH);
    this.#connections = connections;
    this.#checkEveryBytes = Math.max(maxBytes, CHECK_EVERY_MIN_BYTES);
  }

  /** Call it before each publish, with the number of members. May close connections. */
  publishing(frame: Uint8Array, members: number): void {
    // In the order of the calls: uWebSockets.js writes what was published before a send first.
    this.turn.release();
    const bytes = frame.byteLength + FRAME_HEADER_BYTES;
    this.grew(bytes * members);
    this.#unchecked += bytes;
    if (this.#unchecked > this.#checkEveryBytes) this.#checkAll(frame.byteLength);
  }

  #checkAll(pendingBytes: number): void {
    // First, for a close handler may publish and come by here again.
    this.#unchecked = pendingBytes;
    for (const connection of this.#connections.values()) connection.checkWaiting();
  }
}
