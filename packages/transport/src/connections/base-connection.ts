import { CLOSE_CODES, type CloseReason } from "@cm/protocol";
import { optionInvalid } from "@cm/protocol/options";
import type { Authentication } from "../admission/authentication.js";
import { requireFrame } from "../options/option-checks.js";
import type { MembersBehind, SlowReader } from "../rooms/members-behind.js";
import type { TokenBucket } from "../token-bucket.js";
import type { CloseKind } from "./close-kinds.js";
import type { TransportConnection } from "./transport-connection.js";

/**
 * If more bytes than these are queued, no close frame is sent: it would arrive too late after them, and they
 * would occupy memory until then.
 */
export const LINGER_MAX_BYTES = 64 * 1024;

/** RFC 6455: the payload of a control frame is at most 125 bytes, two of which are the code. */
const CLOSE_MESSAGE_MAX_BYTES = 123;

/** RFC 6455: the socket ended without a close frame. */
const CUT_CODE = 1006;

/** The limit on the bytes queued for one connection. All connections share one such object. */
export interface WaitingLimit {
  /** Maximum number of bytes queued for one connection. */
  readonly maxBytes: number;
  /** Handles members that read too slowly in rooms that do not close them; `undefined` if every room closes them. */
  readonly behind: MembersBehind | undefined;
  /** Called once for each connection that is cut because of the limit, with the number of bytes that were queued. */
  exceeded(bytes: number): void;
  /** Called for each frame to one connection, with the bytes of its payload. */
  sent(bytes: number): void;
}

/** How the server ended a connection. */
export interface Ending {
  /** How the connection ended, as counted in `stats().closed`. */
  readonly kind: CloseKind;
  /** The close code. */
  readonly code: number;
  /** The text of the close frame. */
  readonly reason: string;
}

/** The connections that are due at the same time. */
export type LivenessSlot = Set<BaseConnection<unknown>>;

/** The server's side of a connection: the rules for closing it, whichever library the socket belongs to. */
export abstract class BaseConnection<U> implements TransportConnection<U>, SlowReader {
  readonly id: string;
  readonly userId: string;
  readonly data: U;
  readonly remoteAddress: string;
  readonly openedAt: number = Date.now();
  lastSeenAt: number = this.openedAt;
  /** When something last arrived from the client, in milliseconds on the clock of the server's `Liveness`. */
  heardAt = 0;
  /** When the next ping is due, on the same clock; `undefined` if the server sends no pings. */
  pingAt: number | undefined;
  /** The slot of the connection in the wheel of the server's `Liveness`. */
  slot: LivenessSlot | undefined;
  /** Number of pings that the client has not answered. */
  pongsDue = 0;
  /** Created with the first ping or unsolicited pong, because few clients send any. */
  controlFrames: TokenBucket | undefined;
  readonly #limit: WaitingLimit;
  #ending: Ending | undefined;

  constructor(id: string, authentication: Authentication<U>, remoteAddress: string, limit: WaitingLimit) {
    this.id = id;
    this.userId = authentication.userId;
    this.data = authentication.data;
    this.remoteAddress = remoteAddress;
    this.#limit = limit;
  }

  abstract get open(): boolean;
  abstract get bufferedBytes(): number;
  /** Writes a frame to this connection alone. */
  protected abstract writeFrame(frame: string | Uint8Array): boolean;
  abstract enterRoom(room: string): void;
  abstract leaveRoom(room: string): void;
  /** Passes the frames that wait for the end of the turn to the operating system at once. */
  flush(): void {}
  /** Discards what the server has recorded about the rooms of a closed connection. */
  forgetRooms(): void {}
  /** Sends a WebSocket ping. */
  abstract ping(): void;
  /** Writes a close frame and ends the socket. The close event is emitted within the call. */
  protected abstract endSocket(code: number, reason: string): void;
  /** Ends the socket at once. The close event is emitted within the call. */
  protected abstract cutSocket(): void;
  /** Drops the reference to the socket, which must not be used from now on. */
  protected abstract releaseSocket(): void;

  send(frame: string | Uint8Array): boolean {
    if (!this.open) return false;
    requireFrame(frame);
    this.#limit.sent(typeof frame === "string" ? Buffer.byteLength(frame) : frame.byteLength);
    return this.writeFrame(frame);
  }

  enter(room: string): void {
    if (!this.open) return;
    const { behind } = this.#limit;
    if (behind === undefined) this.enterRoom(room);
    else behind.enter(this, room);
  }

  leave(room: string): void {
    const { behind } = this.#limit;
    if (behind === undefined) this.leaveRoom(room);
    else behind.leave(this, room);
  }

  close(reason: CloseReason, message: string = reason): void {
    if (!this.open || this.#ending !== undefined) return;
    if (!Object.hasOwn(CLOSE_CODES, reason)) {
      throw optionInvalid("reason", `one of ${Object.keys(CLOSE_CODES).join(", ")}`);
    }
    const text = cutUtf8(message, CLOSE_MESSAGE_MAX_BYTES);
    this.#ending = { kind: reason, code: CLOSE_CODES[reason], reason: text };
    if (this.bufferedBytes > LINGER_MAX_BYTES) this.cutSocket();
    else this.endSocket(CLOSE_CODES[reason], text);
  }

  /** Ends the connection as a slow consumer if too many bytes are queued. */
  checkWaiting(): void {
    if (!this.open || this.bufferedBytes <= this.#limit.maxBytes) return;
    // Write the frames that wait for the end of the turn, because only bytes that the client has not read count
    // towards the limit.
    this.flush();
    if (this.bufferedBytes > this.#limit.maxBytes) this.cutAsSlow();
  }

  /**
   * Ends the connection as a slow consumer, however many bytes are queued. Returns `false` if it was closed already.
   */
  cutAsSlow(): boolean {
    if (!this.open) return false;
    const bytes = this.bufferedBytes;
    this.#ending = { kind: "slow-consumer", code: CLOSE_CODES["slow-consumer"], reason: "slow-consumer" };
    this.#limit.exceeded(bytes);
    // Send no close frame: it would be queued behind bytes that the client does not read, and keep them in
    // memory. The socket is cut, and the client sees 1006.
    this.cutSocket();
    return true;
  }

  /**
   * Ends the connection as idle, without a close frame, because the client would not read it. If the client still
   * exists, it sees 1006.
   */
  cutAsIdle(): void {
    if (!this.open) return;
    this.#ending = { kind: "idle-timeout", code: CUT_CODE, reason: "idle-timeout" };
    this.cutSocket();
  }

  /**
   * Releases the socket, on its close event. Returns how the server ended the connection; `undefined` if the
   * server did not end it.
   */
  detach(): Ending | undefined {
    this.releaseSocket();
    return this.#ending;
  }
}

/** Returns the longest beginning of the text that fits into `maxBytes`, without splitting a character. */
function cutUtf8(text: string, maxBytes: number): string {
  const buffer = new Uint8Array(maxBytes);
  return text.slice(0, new TextEncoder().encodeInto(text, buffer).read);
}
