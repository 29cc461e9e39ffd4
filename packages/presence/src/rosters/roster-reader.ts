import type { Page, PageRequest, RoomDirectory } from "@cm/protocol";
import { isUnknown } from "../users/user-presence.js";
import type { UserStateReader } from "../users/user-state-reader.js";
import { type RosterMember, withMetadata } from "./roster-members.js";

/** Reads rosters with the members' metadata, which is stored in the users' states. */
export class RosterReader {
  readonly #rooms: Pick<RoomDirectory, "members">;
  readonly #states: UserStateReader;

  constructor(rooms: Pick<RoomDirectory, "members">, states: UserStateReader) {
    this.#rooms = rooms;
    this.#states = states;
  }

  /** Reads one page of a roster. Two round trips. */
  async page(room: string, request: PageRequest): Promise<Page<RosterMember>> {
    const { items, cursor } = await this.#rooms.members(room, request);
    const userIds = [...new Set(items.map(({ userId }) => userId))];
    return { items: withMetadata(items, await this.#states.read(userIds)), cursor };
  }

  /**
   * Returns which of the members that a read lacks have closed their connections, according to their users' states;
   * at most one round trip. For a member who is still connected, it can't be determined whether the member left the
   * room or the store lost the room. If the store knows nothing about one of the users, data was lost or a lease
   * expired. In that case, a missing connection of a user who has other connections may still exist too, so it is
   * not returned.
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
