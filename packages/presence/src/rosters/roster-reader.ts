import type { Page, PageRequest, RoomDirectory } from "@cm/protocol";
import type { StateReader } from "../users/state-reader.js";
import { type RosterMember, withMetadata } from "./roster.js";

/** Reads rosters with what members say about themselves, which the users' states know. */
export class RosterReader {
  readonly #rooms: Pick<RoomDirectory, "members">;
  readonly #states: StateReader;

  constructor(rooms: Pick<RoomDirectory, "members">, states: StateReader) {
    this.#rooms = rooms;
    this.#states = states;
  }

  /** Two round trips. */
  async page(room: string, request: PageRequest): Promise<Page<RosterMember>> {
    const { items, cursor } = await this.#rooms.members(room, request);
    const userIds = [...new Set(items.map(({ userId }) => userId))];
    return { items: withMetadata(items, await this.#states.read(userIds)), cursor };
  }
}
