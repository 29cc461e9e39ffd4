import { CLOSE_CODES, type CloseReason } from "@cm/protocol";
import type { Authentication } from "../admission/authentication.js";
import { invalid, requireFrame } from "../options/option-values.js";
import type { LaggingMembers, RoomMember } from "../rooms/lagging-members.js";
import type { CloseKind } from "./close-kinds.js";
import type { TransportConnection } from "./connection.js";

/** More than this waiting: a close frame would come too late and hold memory meanwhile. */
const LINGER_MAX_BYTES = 64 * 1024;

/** RFC 6455: a control frame carries 125 bytes, two of them the code. */
const CLOSE_MESSAGE_MAX_BYTES = 123;

/** RFC 6455: the socket ended without a close frame. */
const CUT_CODE = 1006;

/** What may wait on one connection, shared by all. */
export interface WaitingLimit {
  /** The most bytes that may wait on one connection. */
  readonly maxBytes: number;
  /** Those that are left out of some rooms because they do not read; `undefined` where every room closes them. */
  readonly lagging: LaggingMembers | undefined;
  /** Hears of each connection that is cut for it, once, with the bytes that waited. */
  exceeded(bytes: number): void;
  /** Hears of each frame to one connection, with the bytes of its payload. */
  sent(bytes: number): void;
}

/** Why the server ended a connection. */
export interface Ending {
  /** Why it ended, as `stats().closed` counts it. */
  readonly kind: CloseKind;
  /** The close code. */
  readonly code: number;
  /** The text of the close frame. */
  readonly reason: string;
}

/** The server's side of a connection: the rules of its end, over the socket of one library. */
export abstract class LiveConnection<U> implements TransportConnection<U>, RoomMember {
  readonly id: string;
  readonly userId: string;
  readonly data: U;
  readonly remoteAddress: string;
  readonly openedAt: number = Date.now();
  lastSeenAt: number = this.openedAt;
  /** When it was last heard from, on the clock of the server's `Liveness`. */
  heardAt = 0;
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
  /** Hands what is held back for the end of the turn to the system now. */
  flush(): void {}
  /** Gives up what the server noted of the rooms of a connection that is over. */
  forgetRooms(): void {}
  /** Sends a WebSocket ping. */
  abstract ping(): void;
  /** Writes a close frame and ends the socket. The server hears of the close within the call. */
  protected abstract endSocket(code: number, reason: string): void;
  /** Ends the socket at once. The server hears of the close within the call. */
  protected abstract cutSocket(): void;
  /** Lets go of the socket: it must not be touched from now on. */
  protected abstract releaseSocket(): void;

  send(frame: string | Uint8Array): boolean {
    if (!this.open) return false;
    requireFrame(frame);
    this.#limit.sent(typeof frame === "string" ? Buffer.byteLength(frame) : frame.byteLength);
    return this.writeFrame(frame);
  }

  enter(room: string): void {
    if (!this.open) return;
    const { lagging } = this.#limit;
    if (lagging === undefined) this.enterRoom(room);
    else lagging.enter(this, room);
  }

  leave(room: string): void {
    const { lagging } = this.#limit;
    if (lagging === undefined) this.leaveRoom(room);
    else lagging.leave(this, room);
  }

  close(reason: CloseReason, message: string = reason): void {
    if (!this.open || this.#ending !== undefined) return;
    if (!Object.hasOwn(CLOSE_CODES, reason)) {
      throw invalid("reason", `must be one of ${Object.keys(CLOSE_CODES).join(", ")}`);
    }
    const text = cutUtf8(message, CLOSE_MESSAGE_MAX_BYTES);
    this.#ending = { kind: reason, code: CLOSE_CODES[reason], reason: text };
    if (this.bufferedBytes > LINGER_MAX_BYTES) this.cutSocket();
    else this.endSocket(CLOSE_CODES[reason], text);
  }

  /** Ends the connection as a slow consumer where too much waits. */
  checkWaiting(): void {
    if (this.open && this.bufferedBytes > this.#limit.maxBytes) this.cutAsSlow();
  }

  /** Ends the connection as a slow consumer, whatever waits. */
  cutAsSlow(): void {
    if (!this.open) return;
    const bytes = this.bufferedBytes;
    this.#ending = { kind: "slow-consumer", code: CLOSE_CODES["slow-consumer"], reason: "slow-consumer" };
    this.#limit.exceeded(bytes);
    // No close frame: it would wait behind what the client doesn't read, and all that
    // memory with it. The socket is cut, and the client sees 1006.
    this.cutSocket();
  }

  /** Ends the connection without a close frame, which its client would not read. The client, if it still exists, sees 1006. */
  cut(reason: "idle-timeout"): void {
    if (!this.open) return;
    this.#ending = { kind: reason, code: CUT_CODE, reason };
    this.cutSocket();
  }

  /** The close event: lets go of the socket; says how the connection ended, if the server ended it. */
  detach(): Ending | undefined {
    this.releaseSocket();
    return this.#ending;
  }
}

/** As much of the text as fits, without splitting a character. */
function cutUtf8(text: string, maxBytes: number): string {
  const buffer = new Uint8Array(maxBytes);
  return text.slice(0, new TextEncoder().encodeInto(text, buffer).read);
}
