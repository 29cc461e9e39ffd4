import { SmallSet } from "@cm/protocol/sets";

/** The rooms of one connection, each with the connection's lane. */
export class MemberRooms {
  readonly #names = new SmallSet<string>();
  /** The lanes, except in rooms where the connection is in the first lane: few rooms have another one. */
  #laterLanes: Map<string, number> | undefined;

  get size(): number {
    return this.#names.size;
  }

  /** The connection's lane in a room; `undefined` if it is not in the room. */
  laneOf(room: string): number | undefined {
    return this.#names.has(room) ? (this.#laterLanes?.get(room) ?? 0) : undefined;
  }

  /** Adds a room that the connection is not in. */
  add(room: string, lane: number): void {
    this.#names.add(room);
    if (lane === 0) return;
    this.#laterLanes ??= new Map();
    this.#laterLanes.set(room, lane);
  }

  delete(room: string): void {
    this.#names.delete(room);
    this.#laterLanes?.delete(room);
  }

  /** Each room with the connection's lane. */
  *entries(): Iterable<readonly [room: string, lane: number]> {
    for (const room of this.#names) yield [room, this.#laterLanes?.get(room) ?? 0];
  }
}
