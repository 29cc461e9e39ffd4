import type { WebSocket } from "uWebSockets.js";
import { CLOSE_CODES, type CloseReason } from "@cm/protocol";
import type { Authentication } from "./authentication.js";
import type { CloseKind } from "./close-kinds.js";
import type { UwsConnection } from "./connection.js";

/** What a native socket carries. The native layer copies its fields on to the socket object. */
export interface SocketData<U> {
  readonly connection: LiveConnection<U>;
}

/** A native socket of our own server. */
export type NativeSocket<U> = WebSocket<SocketData<U>>;

/** A native socket, whatever it carries. */
export type AnySocket = WebSocket<unknown>;

/** Before the room's name: room topics can't meet topics of any other kind, nor those of an App's own. */
const ROOM_TOPIC = "cm:room:";

/** The native topic of a room. */
export function topicOf(room: string): string {
  return ROOM_TOPIC + room;
}

/** Whether a native topic is that of a room. */
function isRoomTopic(topic: string): boolean {
  return topic.startsWith(ROOM_TOPIC);
}

/** `send` gives 1 where everything was written at once, 0 where it waits, 2 where it was dropped. */
const WRITTEN = 1;

/** More than this waiting: a goodbye would come too late and hold memory meanwhile. */
const LINGER_MAX_BYTES = 64 * 1024;

/** RFC 6455: a control frame carries 125 bytes, two of them the code. */
const CLOSE_MESSAGE_MAX_BYTES = 123;

/** RFC 6455: the socket ended without a close frame. */
const CUT_CODE = 1006;

/** What may wait on one connection, shared by all. */
export interface WaitingLimit {
  readonly maxBytes: number;
  /** Hears of each connection that is cut for it, once, with the bytes that waited. */
  exceeded(bytes: number): void;
  /** Hears of each frame to one connection, with the bytes of its payload. */
  sent(bytes: number): void;
}

/** Why the server ended a connection. */
export interface Ending {
  readonly kind: CloseKind;
  readonly code: number;
  readonly reason: string;
}

/** The server's side of {@link UwsConnection}. */
export class LiveConnection<U> implements UwsConnection<U> {
  readonly id: string;
  readonly userId: string;
  readonly data: U;
  readonly remoteAddress: string;
  readonly openedAt: number = Date.now();
  lastSeenAt: number = this.openedAt;
  /** When it was last heard from, on the clock of the server's `Liveness`. */
  heardAt = 0;
  /** Undefined before `open` and from the close event on: the native socket must not be touched then. */
  #socket: AnySocket | undefined;
  #ending: Ending | undefined;
  readonly #limit: WaitingLimit;

  constructor(id: string, authentication: Authentication<U>, remoteAddress: string, limit: WaitingLimit) {
    this.id = id;
    this.userId = authentication.userId;
    this.data = authentication.data;
    this.remoteAddress = remoteAddress;
    this.#limit = limit;
  }

  get open(): boolean {
    return this.#socket !== undefined;
  }

  get bufferedBytes(): number {
    return this.#socket === undefined ? 0 : this.#socket.getBufferedAmount();
  }

  send(frame: string | Uint8Array): boolean {
    const socket = this.#socket;
    if (socket === undefined) return false;
    this.#limit.sent(typeof frame === "string" ? Buffer.byteLength(frame) : frame.byteLength);
    if (socket.send(frame, false) !== WRITTEN) this.checkWaiting();
    // The close event clears the field before the call that closes returns.
    return this.#socket !== undefined;
  }

  enter(room: string): void {
    this.#socket?.subscribe(topicOf(room));
  }

  leave(room: string): void {
    this.#socket?.unsubscribe(topicOf(room));
  }

  close(reason: CloseReason, message: string = reason): void {
    const socket = this.#socket;
    if (socket === undefined || this.#ending !== undefined) return;
    const text = cutUtf8(message, CLOSE_MESSAGE_MAX_BYTES);
    this.#ending = { kind: reason, code: CLOSE_CODES[reason], reason: text };
    if (socket.getBufferedAmount() > LINGER_MAX_BYTES) socket.close();
    else socket.end(CLOSE_CODES[reason], text);
  }

  /** Ends the connection as a slow consumer where too much waits. */
  checkWaiting(): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    const bytes = socket.getBufferedAmount();
    if (bytes <= this.#limit.maxBytes) return;
    this.#ending = { kind: "slow-consumer", code: CLOSE_CODES["slow-consumer"], reason: "slow-consumer" };
    this.#limit.exceeded(bytes);
    // No close frame: it would wait behind what the client doesn't read, and all that
    // memory with it. The socket is cut, and the client sees 1006.
    socket.close();
  }

  /** Sends a WebSocket ping. */
  ping(): void {
    this.#socket?.ping();
  }

  /** Ends the connection without a close frame, for nobody reads it. The client, if there still is one, sees 1006. */
  cut(reason: "idle-timeout"): void {
    if (this.#socket === undefined) return;
    this.#ending = { kind: reason, code: CUT_CODE, reason };
    this.#socket.close();
  }

  /** The native socket while open, for calls that only the server makes. */
  get socket(): AnySocket | undefined {
    return this.#socket;
  }

  /** From all rooms: the socket stays open for others to use. */
  leaveAll(): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    for (const topic of socket.getTopics()) if (isRoomTopic(topic)) socket.unsubscribe(topic);
  }

  /** The open event: the socket may be used. */
  attach(socket: AnySocket): void {
    this.#socket = socket;
  }

  /** The close event: lets go of the socket; says how the connection ended, if the server ended it. */
  detach(): Ending | undefined {
    this.#socket = undefined;
    return this.#ending;
  }
}

/** As much of the text as fits, without splitting a character. */
export function cutUtf8(text: string, maxBytes: number): string {
  const buffer = new Uint8Array(maxBytes);
  return text.slice(0, new TextEncoder().encodeInto(text, buffer).read);
}
