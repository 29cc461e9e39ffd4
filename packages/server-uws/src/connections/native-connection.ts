import type { WebSocket } from "uWebSockets.js";
import { type Authentication, LiveConnection } from "@cm/transport";
import type { RoomLanes, Seats } from "../rooms/room-lanes.js";
import { type AnySocket, roomOf, topicOf } from "../rooms/room-topics.js";
import type { NativeLimit, OwnFrames, TurnFrames } from "./turn-frames.js";

/** What a native socket carries. The native layer copies its fields on to the socket object. */
export interface SocketData<U> {
  readonly connection: NativeConnection<U>;
}

/** A native socket of our own server. */
export type NativeSocket<U> = WebSocket<SocketData<U>>;

/** A connection on a native socket. */
export class NativeConnection<U> extends LiveConnection<U> {
  /** Undefined before `open` and from the close event on: the native socket must not be touched then. */
  #socket: AnySocket | undefined;
  readonly #lanes: RoomLanes | undefined;
  readonly #seats: Seats = new Map();
  readonly #turn: TurnFrames;
  readonly #frames: OwnFrames = { owner: this, frames: [], bytes: 0 };

  /** Without lanes, a room is one topic, and its messages never wait. */
  constructor(
    id: string,
    authentication: Authentication<U>,
    remoteAddress: string,
    limit: NativeLimit,
    lanes: RoomLanes | undefined,
  ) {
    super(id, authentication, remoteAddress, limit);
    this.#lanes = lanes;
    this.#turn = limit.turn;
  }

  get open(): boolean {
    return this.#socket !== undefined;
  }

  get bufferedBytes(): number {
    // What waits for the end of the turn alone is no backpressure.
    this.#turn.write(this.#frames);
    return this.#socket === undefined ? 0 : this.#socket.getBufferedAmount();
  }

  protected override writeFrame(frame: string | Uint8Array): boolean {
    if (this.#socket === undefined) return false;
    this.#turn.add(this.#frames, frame);
    // The close event clears the field before the call that closes returns.
    return this.#socket !== undefined;
  }

  enterRoom(room: string): void {
    if (this.#lanes === undefined) {
      this.#socket?.subscribe(topicOf(room));
      return;
    }
    if (this.#socket === undefined || this.#seats.has(room)) return;
    const lane = this.#lanes.laneToEnter(room);
    // What was still to be sent may have shown that the client does not read.
    if (!this.open) return;
    this.#socket.subscribe(topicOf(room, lane));
    this.#lanes.entered(this.#seats, room, lane);
  }

  leaveRoom(room: string): void {
    if (this.#lanes === undefined) {
      this.#socket?.unsubscribe(topicOf(room));
      return;
    }
    const lane = this.#seats.get(room);
    if (this.#socket === undefined || lane === undefined) return;
    this.#lanes.flush(room, lane);
    if (!this.open) return;
    this.#socket.unsubscribe(topicOf(room, lane));
    this.#lanes.left(this.#seats, room, lane);
  }

  override forgetRooms(): void {
    this.#lanes?.forget(this.#seats);
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
    this.#turn.write(this.#frames);
    const socket = this.#socket;
    if (socket === undefined) return;
    for (const topic of socket.getTopics()) if (roomOf(topic) !== undefined) socket.unsubscribe(topic);
  }

  /** The open event: the socket may be used. */
  attach(socket: AnySocket): void {
    this.#socket = socket;
  }

  protected endSocket(code: number, reason: string): void {
    if (this.#socket !== undefined) this.#lanes?.flushOf(this.#seats);
    this.#socket?.end(code, reason);
  }

  protected cutSocket(): void {
    this.#socket?.close();
  }

  protected releaseSocket(): void {
    if (this.#socket !== undefined) this.#lanes?.ended(this.#seats);
    this.#socket = undefined;
  }
}
