import type { WebSocket } from "uWebSockets.js";
import { type Authentication, BaseConnection } from "@cm/transport";
import type { MemberRooms } from "../rooms/member-rooms.js";
import type { LaneMember, RoomLanes } from "../rooms/room-lanes.js";
import { type AnySocket, roomOf, topicOf } from "../rooms/room-topics.js";
import type { FrameOwner, NativeLimit, TurnFrames } from "./turn-frames.js";

/** The user data of a native socket. The native layer copies its fields to the socket object. */
export interface SocketData<U> {
  readonly connection: NativeConnection<U>;
}

/** A native socket of this package's server. */
export type NativeSocket<U> = WebSocket<SocketData<U>>;

/** A connection on a native socket. */
export class NativeConnection<U> extends BaseConnection<U> implements LaneMember, FrameOwner {
  rooms: MemberRooms | undefined;
  /**
   * The native socket; `undefined` before it is attached, and from its close event on, because it must not be
   * used from then on.
   */
  #socket: AnySocket | undefined;
  readonly #lanes: RoomLanes<NativeConnection<U>> | undefined;
  readonly #turn: TurnFrames;
  turnFrames: FrameOwner["turnFrames"];
  turnBytes = 0;

  /** Without `lanes`, a room is a single topic, and its messages are never delayed. */
  constructor(
    id: string,
    authentication: Authentication<U>,
    remoteAddress: string,
    limit: NativeLimit,
    lanes: RoomLanes<NativeConnection<U>> | undefined,
  ) {
    super(id, authentication, remoteAddress, limit);
    this.#lanes = lanes;
    this.#turn = limit.turn;
  }

  get open(): boolean {
    return this.#socket !== undefined;
  }

  get bufferedBytes(): number {
    // Write the collected frames first: frames that only wait for the end of the turn are not backpressure.
    this.#turn.write(this);
    return this.#socket === undefined ? 0 : this.#socket.getBufferedAmount();
  }

  protected override writeFrame(frame: string | Uint8Array): boolean {
    if (this.#socket === undefined) return false;
    // Copy bytes: they are only valid during the call.
    this.#turn.add(this, typeof frame === "string" ? frame : Buffer.from(frame));
    // If the write closed the socket, the close event has already cleared `#socket`.
    return this.#socket !== undefined;
  }

  deliver(frame: Buffer): void {
    if (this.#socket !== undefined) this.#turn.add(this, frame);
  }

  subscribe(topic: string): void {
    this.#socket?.subscribe(topic);
  }

  unsubscribe(topic: string): void {
    this.#socket?.unsubscribe(topic);
  }

  enterRoom(room: string): void {
    if (this.#lanes === undefined) this.subscribe(topicOf(room));
    else if (this.open) this.#lanes.enter(this, room);
  }

  leaveRoom(room: string): void {
    if (this.#lanes === undefined) this.unsubscribe(topicOf(room));
    else if (this.open) this.#lanes.leave(this, room);
  }

  override forgetRooms(): void {
    this.#lanes?.forget(this);
  }

  ping(): void {
    this.#socket?.ping();
  }

  /** The native socket while the connection is open, for calls that only the server makes. */
  get socket(): AnySocket | undefined {
    return this.#socket;
  }

  /** Leaves all rooms. The socket stays open for other uses. */
  leaveAll(): void {
    this.#turn.write(this);
    const socket = this.#socket;
    if (socket === undefined) return;
    for (const topic of socket.getTopics()) if (roomOf(topic) !== undefined) socket.unsubscribe(topic);
  }

  /** Must be called after the open event, with the socket that can be used from now on. */
  attach(socket: AnySocket): void {
    this.#socket = socket;
  }

  protected endSocket(code: number, reason: string): void {
    if (this.#socket !== undefined) this.#lanes?.flushOf(this);
    this.#turn.write(this);
    this.#socket?.end(code, reason);
  }

  protected cutSocket(): void {
    this.#socket?.close();
  }

  protected releaseSocket(): void {
    if (this.#socket !== undefined) this.#lanes?.ended(this);
    this.#socket = undefined;
  }
}
