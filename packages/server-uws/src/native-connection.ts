import type { WebSocket } from "uWebSockets.js";
import { LiveConnection } from "@cm/transport";

/** What a native socket carries. The native layer copies its fields on to the socket object. */
export interface SocketData<U> {
  readonly connection: NativeConnection<U>;
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

/** A connection on a native socket. */
export class NativeConnection<U> extends LiveConnection<U> {
  /** Undefined before `open` and from the close event on: the native socket must not be touched then. */
  #socket: AnySocket | undefined;

  get open(): boolean {
    return this.#socket !== undefined;
  }

  get bufferedBytes(): number {
    return this.#socket === undefined ? 0 : this.#socket.getBufferedAmount();
  }

  protected override writeFrame(frame: string | Uint8Array): boolean {
    const socket = this.#socket;
    if (socket === undefined) return false;
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

  ping(): void {
    this.#socket?.ping();
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

  protected endSocket(code: number, reason: string): void {
    this.#socket?.end(code, reason);
  }

  protected cutSocket(): void {
    this.#socket?.close();
  }

  protected releaseSocket(): void {
    this.#socket = undefined;
  }
}
