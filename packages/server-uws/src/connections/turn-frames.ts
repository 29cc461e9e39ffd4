import type { WaitingLimit } from "@cm/transport";
import type { AnySocket } from "../rooms/room-topics.js";

/** Size of the buffer in which the native layer collects the bytes of one write. */
const FLUSH_AT_BYTES = 16 * 1024;

/** If frames to this many sockets wait for the end of the turn, the frames of all sockets are written at once. */
const SOCKETS_MAX = 1_024;

/** The limit on queued bytes, and the object that collects frames until the end of the turn. */
export interface NativeLimit extends WaitingLimit {
  readonly turn: TurnFrames;
}

/** A connection, with its frames that wait for the end of the turn. */
export interface FrameOwner {
  /** The connection's socket; `undefined` once the connection is closed. */
  readonly socket: AnySocket | undefined;
  /** The frames that wait, and their length; `undefined` if there are none. Modified only by {@link TurnFrames}. */
  turnFrames: (string | Buffer)[] | undefined;
  turnBytes: number;
  /** Called when bytes may have been queued for the client after a write. May close the connection. */
  checkWaiting(): void;
}

/**
 * The result of the native `send` if everything was written at once. The other results are 0 if bytes were
 * queued, and 2 if the frame was dropped.
 */
const WRITTEN = 1;

/**
 * Collects the frames to single connections within one turn of the event loop, so that the frames to one
 * connection take one system call. For example, one read from Redis may contain the responses to many requests of
 * a client. {@link release} is called before every room message, so that a connection gets all frames in the
 * order of the calls.
 */
export class TurnFrames {
  readonly #wrote: () => void;
  #waiting: FrameOwner[] = [];

  /** `wrote` is called for each write. */
  constructor(wrote: () => void) {
    this.#wrote = wrote;
  }

  /** Keeps a frame until the end of the turn. Its bytes must not change until then. */
  add(owner: FrameOwner, frame: string | Buffer): void {
    if (owner.turnFrames === undefined) {
      owner.turnFrames = [frame];
      if (this.#waiting.push(owner) === 1) process.nextTick(() => this.release());
    } else {
      owner.turnFrames.push(frame);
    }
    owner.turnBytes += frame.length;
    if (owner.turnBytes >= FLUSH_AT_BYTES) this.write(owner);
    else if (this.#waiting.length >= SOCKETS_MAX) this.release();
  }

  /** Writes the collected frames of all connections. */
  release(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const owner of waiting) this.write(owner);
  }

  /** Writes the collected frames of one connection. */
  write(owner: FrameOwner): void {
    const { socket, turnFrames: frames } = owner;
    if (frames === undefined) return;
    owner.turnFrames = undefined;
    owner.turnBytes = 0;
    if (socket === undefined) return;
    this.#wrote();
    let isWritten = true;
    const send = (): void => {
      for (const frame of frames) isWritten = socket.send(frame, false) === WRITTEN && isWritten;
    };
    if (frames.length === 1) send();
    else socket.cork(send);
    // Check the queue after a cork in any case: if the cork could not write everything, the results of `send`
    // do not show it.
    if (!isWritten || frames.length > 1) owner.checkWaiting();
  }
}
