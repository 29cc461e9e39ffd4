import type { Duplex } from "node:stream";
import { type Authentication, BaseConnection, type WaitingLimit } from "@cm/transport";
import type { WebSocket } from "ws";
import type { RoomLanes } from "./room-lanes.js";
import { textFrame } from "./text-frame.js";
import type { TurnWrites } from "./turn-writes.js";

/** Context shared by all connections of a server. */
export interface ConnectionContext<U> {
  readonly rooms: RoomLanes<WsConnection<U>>;
  readonly writes: TurnWrites;
  readonly limit: WaitingLimit;
  /**
   * Called when this side has ended the connection. The connection's socket may close only later.
   */
  ended(connection: WsConnection<U>): void;
}

/**
 * A connection on a socket of `ws`. Text frames are written directly to the TCP socket, bypassing `ws`, so that a
 * frame is encoded only once for a whole room. This is safe because compression is off: `ws` then writes each of
 * its own frames, such as pings, at once and whole, so the frames can't mix.
 */
export class WsConnection<U> extends BaseConnection<U> {
  readonly #context: ConnectionContext<U>;
  #socket: WebSocket | undefined;
  readonly #stream: Duplex;

  constructor(
    id: string,
    authentication: Authentication<U>,
    remoteAddress: string,
    { socket, stream }: { readonly socket: WebSocket; readonly stream: Duplex },
    context: ConnectionContext<U>,
  ) {
    super(id, authentication, remoteAddress, context.limit);
    this.#socket = socket;
    this.#stream = stream;
    this.#context = context;
  }

  /** `false` as soon as a close frame has been sent or the socket was cut, even before the close event. */
  get open(): boolean {
    return this.#socket !== undefined && this.#socket.readyState === this.#socket.OPEN;
  }

  get bufferedBytes(): number {
    return this.#socket === undefined ? 0 : this.#stream.writableLength;
  }

  protected override writeFrame(frame: string | Uint8Array): boolean {
    return this.write(textFrame(frame));
  }

  /** Writes one or several frames encoded by {@link textFrame}. */
  write(frame: Buffer): boolean {
    if (!this.open) return false;
    const stream = this.#stream;
    this.#context.writes.hold(stream);
    stream.write(frame);
    if (stream.writableLength > this.#context.limit.maxBytes) this.checkWaiting();
    return this.open;
  }

  enterRoom(room: string): void {
    if (this.open) this.#context.rooms.enter(this, room);
  }

  leaveRoom(room: string): void {
    this.#context.rooms.leave(this, room);
  }

  override flush(): void {
    this.#stream.uncork();
  }

  ping(): void {
    if (this.open) this.#socket?.ping();
  }

  protected endSocket(code: number, reason: string): void {
    this.#context.rooms.flushOf(this);
    // The connection is cut, and reported as closed, if the client does not read what was held back.
    if (this.#socket === undefined) return;
    this.#socket.close(code, reason);
    // End the TCP stream after the close frame, so that the socket also closes if the client does not respond
    // to the frame.
    this.#stream.end();
    this.#context.ended(this);
  }

  protected cutSocket(): void {
    this.#socket?.terminate();
    this.#context.ended(this);
  }

  protected releaseSocket(): void {
    this.#socket = undefined;
    this.#context.rooms.leaveAll(this);
  }
}
