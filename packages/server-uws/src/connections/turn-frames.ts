import type { WaitingLimit } from "@cm/transport";
import type { AnySocket } from "../rooms/room-topics.js";

/** The size of the buffer in which the native layer collects what it writes at once. */
const FLUSH_AT_BYTES = 16 * 1024;

/** Sockets with frames that wait for the end of a turn; more of them are written to at once. */
const SOCKETS_MAX = 1_024;

/** The limit on what waits, with the frames that wait for the end of the turn. */
export interface NativeLimit extends WaitingLimit {
  readonly turn: TurnFrames;
}

/** Whose frames they are. */
interface FrameOwner {
  /** Undefined once it is closed. */
  readonly socket: AnySocket | undefined;
  /** Something had to wait for the client. */
  checkWaiting(): void;
}

/** Frames to one connection that wait for the end of the turn. */
export interface OwnFrames {
  readonly owner: FrameOwner;
  frames: (string | Uint8Array)[];
  bytes: number;
}

/** `send` gives 1 where everything was written at once, 0 where it waits, 2 where it was dropped. */
const WRITTEN = 1;

/**
 * Collects what is sent to single connections within one turn of the event loop: a chunk from Redis
 * may bring the answers to many requests of a client, and each would be a system call of its own.
 * {@link release} comes before every room message, so that a connection gets all in the order of the calls.
 */
export class TurnFrames {
  readonly #wrote: () => void;
  #waiting: OwnFrames[] = [];

  /** `wrote` is called for each write. */
  constructor(wrote: () => void) {
    this.#wrote = wrote;
  }

  /** Keeps a frame until the end of the turn, and a copy where its bytes are only lent. */
  add(own: OwnFrames, frame: string | Uint8Array): void {
    if (own.frames.length === 0 && this.#waiting.push(own) === 1) process.nextTick(() => this.release());
    own.frames.push(typeof frame === "string" ? frame : Buffer.from(frame));
    own.bytes += frame.length;
    if (own.bytes >= FLUSH_AT_BYTES) this.write(own);
    else if (this.#waiting.length >= SOCKETS_MAX) this.release();
  }

  /** Writes what was collected, to each socket at once. */
  release(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const own of waiting) this.write(own);
  }

  /** Writes what was collected for one connection. */
  write(own: OwnFrames): void {
    const { frames } = own;
    const { socket } = own.owner;
    if (frames.length === 0) return;
    own.frames = [];
    own.bytes = 0;
    if (socket === undefined) return;
    this.#wrote();
    let isWritten = true;
    const send = (): void => {
      for (const frame of frames) isWritten = socket.send(frame, false) === WRITTEN && isWritten;
    };
    if (frames.length === 1) send();
    else socket.cork(send);
    // A cork that could not write everything shows in what waits, and not in what `send` gave.
    if (!isWritten || frames.length > 1) own.owner.checkWaiting();
  }
}
