import type { RoomFanOut } from "@cm/transport";

/** The rooms that a connection is in, each with its lane. */
export type Seats = Map<string, number>;

/**
 * Which lanes of rooms connections are in. What waits for a lane's members is sent before one enters or leaves it.
 *
 * Kept here, and not learned from the native subscription event: that one calls into JavaScript for each room
 * of a socket that ends, in the very turn in which thousands may end, and takes longer than their ends themselves.
 */
export class RoomLanes {
  readonly #fanOut: RoomFanOut;
  /** Members by room; a room without any is not there. */
  readonly #members = new Map<string, number>();
  #memberships = 0;

  constructor(fanOut: RoomFanOut) {
    this.#fanOut = fanOut;
  }

  /** Rooms with members. */
  get rooms(): number {
    return this.#members.size;
  }

  /** Members of rooms, one for each room of a connection. */
  get memberships(): number {
    return this.#memberships;
  }

  /** The lane to enter. What waits in it is sent, which may end the connection. */
  laneToEnter(room: string): number {
    const lane = this.#fanOut.laneToEnter(room);
    this.#fanOut.flush(room, lane);
    return lane;
  }

  /** The connection has entered the lane. */
  entered(seats: Seats, room: string, lane: number): void {
    seats.set(room, lane);
    this.#members.set(room, (this.#members.get(room) ?? 0) + 1);
    this.#memberships++;
  }

  /** Sends what waits in a lane that the connection is about to leave, which may end the connection. */
  flush(room: string, lane: number): void {
    this.#fanOut.flush(room, lane);
  }

  /** The connection has left the lane. */
  left(seats: Seats, room: string, lane: number): void {
    seats.delete(room);
    this.#memberships--;
    this.#remove(room, lane);
  }

  /** The connection is over, and is no member from now on. */
  ended(seats: Seats): void {
    this.#memberships -= seats.size;
  }

  /** Gives up the seats of a connection that {@link ended} has heard of; it may be long after. */
  forget(seats: Seats): void {
    for (const [room, lane] of seats) this.#remove(room, lane);
    seats.clear();
  }

  /** Sends what waits for a connection that is about to be closed. */
  flushOf(seats: Seats): void {
    if (!this.#fanOut.holds) return;
    for (const [room, lane] of [...seats]) this.#fanOut.flush(room, lane);
  }

  #remove(room: string, lane: number): void {
    const left = (this.#members.get(room) ?? 1) - 1;
    if (left === 0) this.#members.delete(room);
    else this.#members.set(room, left);
    this.#fanOut.left(room, lane);
  }
}
