import type { RoomFanOut } from "@cm/transport";

/** The rooms that a connection is in, each with the connection's lane. */
export type LanesByRoom = Map<string, number>;

/**
 * Assigns the connections to the lanes of their rooms, and counts the members of each room. Held-back messages
 * of a lane are sent before a connection enters or leaves it.
 *
 * Members are counted here rather than by the native subscription event: that event calls into JavaScript for
 * each room of a socket that closes, in the same turn in which thousands may close, and takes longer than the
 * closes themselves.
 */
export class RoomLanes {
  readonly #fanOut: RoomFanOut;
  /** Number of members by room; rooms without members have no entry. */
  readonly #members = new Map<string, number>();
  #memberships = 0;

  constructor(fanOut: RoomFanOut) {
    this.#fanOut = fanOut;
  }

  /** Number of rooms with members. */
  get rooms(): number {
    return this.#members.size;
  }

  /** Number of memberships, one for each room of a connection. */
  get memberships(): number {
    return this.#memberships;
  }

  /** Returns the lane to enter. Sends the lane's held-back messages first, which may close the connection. */
  laneToEnter(room: string): number {
    const lane = this.#fanOut.laneToEnter(room);
    this.#fanOut.flush(room, lane);
    return lane;
  }

  /** Records that the connection has entered the lane. */
  entered(laneByRoom: LanesByRoom, room: string, lane: number): void {
    laneByRoom.set(room, lane);
    this.#members.set(room, (this.#members.get(room) ?? 0) + 1);
    this.#memberships++;
  }

  /**
   * Sends the held-back messages of a lane that the connection is about to leave, which may close the
   * connection.
   */
  flush(room: string, lane: number): void {
    this.#fanOut.flush(room, lane);
  }

  /** Records that the connection has left the lane. */
  left(laneByRoom: LanesByRoom, room: string, lane: number): void {
    laneByRoom.delete(room);
    this.#memberships--;
    this.#remove(room, lane);
  }

  /** Stops counting the memberships of a closed connection. {@link forget} removes them from their lanes later. */
  ended(laneByRoom: LanesByRoom): void {
    this.#memberships -= laneByRoom.size;
  }

  /** Removes the rooms of a connection for which {@link ended} was called, possibly much earlier. */
  forget(laneByRoom: LanesByRoom): void {
    for (const [room, lane] of laneByRoom) this.#remove(room, lane);
    laneByRoom.clear();
  }

  /** Sends the messages held back for a connection that is about to be closed. */
  flushOf(laneByRoom: LanesByRoom): void {
    if (!this.#fanOut.holds) return;
    for (const [room, lane] of [...laneByRoom]) this.#fanOut.flush(room, lane);
  }

  #remove(room: string, lane: number): void {
    const left = (this.#members.get(room) ?? 1) - 1;
    if (left === 0) this.#members.delete(room);
    else this.#members.set(room, left);
    this.#fanOut.left(room, lane);
  }
}
