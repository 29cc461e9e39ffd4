import type { Page, PageRequest, RoomDirectory } from "@cm/protocol";
import type { StateReader } from "../users/state-reader.js";
import { isUnknown } from "../users/user-presence.js";
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

  /**
   * Which of the members that a reading lacks have closed their connection, by what the store knows of their
   * users; at most one round trip. A member who is connected may have left the room, or the store may have lost the
   * room: that is not told by this. Where a user is unknown without a last time online, data was lost or a lease ran
   * out; then one of several connections that is unknown may be there as well.
   */
  async departed(members: readonly RosterMember[]): Promise<ReadonlySet<string>> {
    const userIds = [...new Set(members.map(({ userId }) => userId))];
    const states = new Map((await this.#states.read(userIds)).map((state) => [state.userId, state]));
    const isDoubted = [...states.values()].some(isUnknown);
    const departed = members.filter(({ userId, connectionId }) => {
      const state = states.get(userId);
      if (state === undefined || isUnknown(state)) return false;
      if (state.connections.length === 0) return true;
      return !isDoubted && !state.connections.some((connection) => connection.connectionId === connectionId);
    });
    return new Set(departed.map(({ connectionId }) => connectionId));
  }
}
