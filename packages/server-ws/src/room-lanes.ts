import type { LaneReader, RoomFanOut } from "@cm/transport";
import { RoomMembers } from "./room-members.js";

/**
 * The members of rooms, distributed over lanes. Held-back messages of a lane are sent before a connection
 * enters or leaves it.
 */
export class RoomLanes<C extends LaneReader> {
  readonly #fanOut: RoomFanOut;
  /** The members of each lane, by lane number. */
  readonly #lanes: RoomMembers<C>[] = [new RoomMembers<C>()];

  constructor(fanOut: RoomFanOut) {
    this.#fanOut = fanOut;
  }

  /** Number of memberships: a connection counts once for each room that it is in. */
  get memberships(): number {
    return this.#lanes.reduce((sum, { memberships }) => sum + memberships, 0);
  }

  /** Number of rooms with a member. */
  get size(): number {
    return (this.#lanes[0]?.size ?? 0) + this.#fanOut.roomsWithoutFirstLane();
  }

  /**
   * Sends the held-back messages of a lane, which may close the connection, and then adds the connection to the
   * lane, unless `isOpen` returns `false`.
   */
  enter(room: string, connection: C, isOpen: () => boolean): void {
    if (this.#laneOf(room, connection) !== undefined) return;
    const lane = this.#fanOut.laneToEnter(room);
    // The write may have called a handler that let the connection enter already.
    if (!isOpen() || this.#laneOf(room, connection) !== undefined) return;
    this.#lanes[lane] ??= new RoomMembers<C>();
    this.#lanes[lane].enter(room, connection);
  }

  leave(room: string, connection: C): void {
    const lane = this.#laneOf(room, connection);
    if (lane === undefined) return;
    this.#fanOut.flushFor(connection, room, lane);
    this.#remove(room, lane, connection);
  }

  /** Sends the messages held back for a connection that is about to be closed. */
  flushOf(connection: C): void {
    if (!this.#fanOut.holds) return;
    for (const [lane, rooms] of this.#lanes.entries()) {
      for (const room of rooms.roomsOf(connection)) this.#fanOut.flushFor(connection, room, lane);
    }
  }

  leaveAll(connection: C): void {
    for (const [lane, rooms] of this.#lanes.entries()) {
      for (const room of [...rooms.roomsOf(connection)]) this.#remove(room, lane, connection);
    }
  }

  count(room: string, lane: number): number {
    return this.#lanes[lane]?.count(room) ?? 0;
  }

  /** The members of a lane. A member that is removed during the iteration may or may not still be returned. */
  of(room: string, lane: number): Iterable<C> {
    return this.#lanes[lane]?.of(room) ?? [];
  }

  #remove(room: string, lane: number, connection: C): void {
    this.#lanes[lane]?.leave(room, connection);
    if (this.count(room, lane) === 0) this.#fanOut.emptied(room, lane);
  }

  #laneOf(room: string, connection: C): number | undefined {
    const lanes = this.#fanOut.lanesOf(room);
    for (let lane = 0; lane < lanes; lane++) if (this.#lanes[lane]?.has(room, connection)) return lane;
    return undefined;
  }
}
