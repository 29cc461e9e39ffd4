import type { LaneReader, RoomFanOut } from "@cm/transport";
import { MemberRooms } from "./member-rooms.js";
import { type DirectMember, RoomMembers } from "./room-members.js";

/** A connection that enters and leaves rooms. */
export interface LaneMember extends DirectMember, LaneReader {
  /** The rooms that the connection is in; `undefined` if there are none. Modified only by {@link RoomLanes}. */
  rooms: MemberRooms | undefined;
}

/**
 * Assigns the connections to the lanes of their rooms, and counts the members of each room. Held-back messages
 * of a lane are sent before a connection enters or leaves it.
 *
 * Members are counted here rather than by the native subscription event. When a socket closes, that event calls
 * into JavaScript for each of the socket's rooms. If thousands of sockets close in one turn, these calls take
 * longer than the closes themselves.
 */
export class RoomLanes<M extends LaneMember> {
  readonly #fanOut: RoomFanOut;
  readonly #members = new RoomMembers<M>();
  #memberships = 0;
  /** Number of closed connections that are still to be removed from their rooms. */
  #unremoved = 0;

  constructor(fanOut: RoomFanOut) {
    this.#fanOut = fanOut;
  }

  /** Number of rooms with members. */
  get roomCount(): number {
    return this.#members.roomCount;
  }

  /** Number of memberships, one for each room of a connection. */
  get memberships(): number {
    return this.#memberships;
  }

  /**
   * Number of members of a room that has one lane, which costs less here than the question to the native layer.
   * `undefined` if the room has several lanes, or while closed connections are still counted as members.
   */
  membersOf(room: string): number | undefined {
    return this.#unremoved > 0 || this.#fanOut.lanesOf(room) > 1 ? undefined : this.#members.count(room);
  }

  /** The members of a room that is small enough to have no native topic; otherwise `undefined`. */
  directMembers(room: string): readonly M[] | undefined {
    return this.#members.direct(room);
  }

  /** Gives a native topic to a room that has none. */
  addTopic(room: string): void {
    this.#members.addTopic(room);
  }

  /**
   * Adds an open connection to a room. Sends the held-back messages of its lane first, which may close the
   * connection; it then does not enter.
   */
  enter(member: M, room: string): void {
    if (member.rooms?.laneOf(room) !== undefined) return;
    const lane = this.#fanOut.laneToEnter(room);
    // The write may have called a handler that let the connection enter already.
    if (!member.open || member.rooms?.laneOf(room) !== undefined) return;
    this.#members.enter(member, room, lane);
    member.rooms ??= new MemberRooms();
    member.rooms.add(room, lane);
    this.#memberships++;
  }

  /**
   * Removes an open connection from a room. Sends the held-back messages of its lane first, which may close the
   * connection; {@link ended} and {@link forget} then remove it.
   */
  leave(member: M, room: string): void {
    const { rooms } = member;
    const lane = rooms?.laneOf(room);
    if (rooms === undefined || lane === undefined) return;
    this.#fanOut.flushFor(member, room, lane);
    if (!member.open || rooms.laneOf(room) !== lane) return;
    rooms.delete(room);
    if (rooms.size === 0) member.rooms = undefined;
    this.#memberships--;
    this.#remove(member, room, lane);
  }

  /** Subtracts a closed connection from `memberships`. {@link forget} removes it from its rooms later. */
  ended(member: M): void {
    if (member.rooms === undefined) return;
    this.#memberships -= member.rooms.size;
    this.#unremoved++;
  }

  /** Removes a closed connection from its rooms, some time after {@link ended} was called. */
  forget(member: M): void {
    if (member.rooms === undefined) return;
    for (const [room, lane] of member.rooms.entries()) this.#remove(member, room, lane);
    member.rooms = undefined;
    this.#unremoved--;
  }

  /** Sends the messages held back for a connection that is about to be closed. */
  flushOf(member: M): void {
    if (!this.#fanOut.holds) return;
    for (const [room, lane] of [...(member.rooms?.entries() ?? [])]) this.#fanOut.flushFor(member, room, lane);
  }

  #remove(member: M, room: string, lane: number): void {
    this.#members.leave(member, room, lane);
    this.#fanOut.left(room, lane);
  }
}
