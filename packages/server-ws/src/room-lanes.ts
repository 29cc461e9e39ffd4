import type { LaneReader, RoomFanOut } from "@cm/transport";
import { RoomMembers } from "./room-members.js";

/** A connection that enters and leaves rooms. */
export interface LaneMember extends LaneReader {
  readonly open: boolean;
}

/**
 * The members of rooms, distributed over lanes. Held-back messages of a lane are sent before a connection
 * enters or leaves it.
 */
export class RoomLanes<M extends LaneMember> {
  readonly #fanOut: RoomFanOut;
  /** The members of each lane, by lane number. */
  readonly #lanes: RoomMembers<M>[] = [new RoomMembers<M>()];

  constructor(fanOut: RoomFanOut) {
    this.#fanOut = fanOut;
  }

  /** Number of memberships: a connection counts once for each room that it is in. */
  get memberships(): number {
    return this.#lanes.reduce((sum, { memberships }) => sum + memberships, 0);
  }

  /** Number of rooms with members. */
  get roomCount(): number {
    return (this.#lanes[0]?.roomCount ?? 0) + this.#fanOut.roomsWithoutFirstLane();
  }

  /**
   * Adds an open connection to a room. Sends the held-back messages of its lane first, which may close the
   * connection; it then does not enter.
   */
  enter(member: M, room: string): void {
    if (this.#laneOf(member, room) !== undefined) return;
    const lane = this.#fanOut.laneToEnter(room);
    // The write may have called a handler that let the connection enter already.
    if (!member.open || this.#laneOf(member, room) !== undefined) return;
    this.#lanes[lane] ??= new RoomMembers<M>();
    this.#lanes[lane].enter(member, room);
  }

  leave(member: M, room: string): void {
    const lane = this.#laneOf(member, room);
    if (lane === undefined) return;
    this.#fanOut.flushFor(member, room, lane);
    this.#remove(member, room, lane);
  }

  /** Sends the messages held back for a connection that is about to be closed. */
  flushOf(member: M): void {
    if (!this.#fanOut.holds) return;
    for (const [lane, rooms] of this.#lanes.entries()) {
      for (const room of rooms.roomsOf(member)) this.#fanOut.flushFor(member, room, lane);
    }
  }

  leaveAll(member: M): void {
    for (const [lane, rooms] of this.#lanes.entries()) {
      for (const room of [...rooms.roomsOf(member)]) this.#remove(member, room, lane);
    }
  }

  count(room: string, lane: number): number {
    return this.#lanes[lane]?.count(room) ?? 0;
  }

  /** The members of a lane. A member that is removed during the iteration may or may not still be returned. */
  of(room: string, lane: number): Iterable<M> {
    return this.#lanes[lane]?.of(room) ?? [];
  }

  #remove(member: M, room: string, lane: number): void {
    this.#lanes[lane]?.leave(member, room);
    if (this.count(room, lane) === 0) this.#fanOut.emptied(room, lane);
  }

  #laneOf(member: M, room: string): number | undefined {
    const lanes = this.#fanOut.lanesOf(room);
    for (let lane = 0; lane < lanes; lane++) if (this.#lanes[lane]?.has(member, room)) return lane;
    return undefined;
  }
}
