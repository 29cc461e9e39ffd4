import type { Duplex } from "node:stream";
import { type Authentication, LiveConnection, type WaitingLimit } from "@cm/transport";
import type { WebSocket } from "ws";
import type { RoomLanes } from "./room-lanes.js";
import { textFrame } from "./text-frame.js";
import type { TurnWrites } from "./turn-writes.js";

/** What all connections of a server share. */
export interface ConnectionSurroundings<U> {
  readonly rooms: RoomLanes<WsConnection<U>>;
  readonly writes: TurnWrites;
  readonly limit: WaitingLimit;
  /** The connection is over, by this side's word; its socket may take a moment more. */
  ended(connection: WsConnection<U>): void;
}

/**
 * A connection on a socket of `ws`. Frames of text go to the TCP socket beside `ws`, which is safe
 * for want of compression: `ws` then writes each of its own frames at once, too. So a frame is made
 * once for a whole room.
 */
export class WsConnection<U> extends LiveConnection<U> {
  readonly #surroundings: ConnectionSurroundings<U>;
  #socket: WebSocket | undefined;
  readonly #stream: Duplex;

  constructor(
    id: string,
    authentication: Authentication<U>,
    remoteAddress: string,
    { socket, stream }: { readonly socket: WebSocket; readonly stream: Duplex },
    surroundings: ConnectionSurroundings<U>,
  ) {
    super(id, authentication, remoteAddress, surroundings.limit);
    this.#socket = socket;
    this.#stream = stream;
    this.#surroundings = surroundings;
  }

  /** A socket that has got a close frame, or is cut, takes nothing more, though its close event is still to come. */
  get open(): boolean {
    return this.#socket !== undefined && this.#socket.readyState === this.#socket.OPEN;
  }

  get bufferedBytes(): number {
    return this.#socket === undefined ? 0 : this.#stream.writableLength;
  }

  protected override writeFrame(frame: string | Uint8Array): boolean {
    return this.write(textFrame(frame));
  }

  /** Sends what {@link textFrame} made, or several of them. */
  write(frame: Buffer): boolean {
    if (!this.open) return false;
    const stream = this.#stream;
    this.#surroundings.writes.hold(stream);
    stream.write(frame);
    if (stream.writableLength > this.#surroundings.limit.maxBytes) {
      // Only what the client has not read counts, not what waits for the end of the turn.
      stream.uncork();
      this.checkWaiting();
    }
    return this.open;
  }

  enterRoom(room: string): void {
    if (this.open) this.#surroundings.rooms.enter(room, this, () => this.open);
  }

  leaveRoom(room: string): void {
    this.#surroundings.rooms.leave(room, this);
  }

  override flush(): void {
    this.#stream.uncork();
  }

  ping(): void {
    if (this.open) this.#socket?.ping();
  }

  protected endSocket(code: number, reason: string): void {
    this.#surroundings.rooms.flushOf(this);
    this.#socket?.close(code, reason);
    // Ends this side behind the close frame, so that a client without manners goes, too.
    this.#stream.end();
    this.#surroundings.ended(this);
  }

  protected cutSocket(): void {
    this.#socket?.terminate();
    this.#surroundings.ended(this);
  }

  protected releaseSocket(): void {
    this.#socket = undefined;
    this.#surroundings.rooms.leaveAll(this);
  }
}
