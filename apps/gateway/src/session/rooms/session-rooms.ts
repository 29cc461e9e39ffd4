import { CmError, type ConnectionLimits } from "@cm/protocol";
import type { LimitCounter } from "../../limits/limit-counter.js";
import type { Permissions } from "../permissions.js";
import { JoinedRoom } from "./joined-room.js";

/** The client whose rooms {@link SessionRooms} holds. */
export interface RoomHolder {
  readonly context: { readonly limits: Pick<ConnectionLimits, "maxRooms">; readonly reached: LimitCounter };
  readonly permissions: Permissions;
  isClosed(): boolean;
}

/**
 * The rooms that one connection is in, enters or leaves. Operations on one room run one after the other, in the
 * order of the requests.
 */
export class SessionRooms {
  readonly #client: RoomHolder;
  /** `undefined` while the connection is in no room. */
  #rooms: Map<string, JoinedRoom> | undefined;
  /** Number of rooms that the client wants to be in. A room that is being left does not count against the limit. */
  #wanted = 0;

  constructor(client: RoomHolder) {
    this.#client = client;
  }

  get(room: string): JoinedRoom | undefined {
    return this.#rooms?.get(room);
  }

  /** Number of rooms that the connection is in, is joining or is leaving. */
  get size(): number {
    return this.#rooms?.size ?? 0;
  }

  clear(): void {
    this.#rooms = undefined;
  }

  /**
   * Returns the room to enter. Throws `rooms-limit` if the connection would then be in more than `limits.maxRooms`
   * rooms.
   */
  enter(room: string): JoinedRoom {
    const { context, permissions } = this.#client;
    const entered = this.get(room) ?? new JoinedRoom(room, permissions.mayPublish(room));
    if (!entered.wanted) {
      const { maxRooms } = context.limits;
      if (this.#wanted >= maxRooms) {
        context.reached.count("rooms");
        throw new CmError("rooms-limit", `A connection can be in at most ${maxRooms} rooms.`);
      }
      this.#want(entered, true);
    }
    return entered;
  }

  /** Records that the connection leaves the room, which no longer counts against the limit. */
  leave(room: JoinedRoom): void {
    this.#want(room, false);
  }

  /** Runs an operation on a room after all earlier ones, unless the connection has closed by then. */
  async inOrder(room: JoinedRoom, operation: () => Promise<void>): Promise<void> {
    this.keep(room);
    try {
      await room.run(() => (this.#client.isClosed() ? Promise.resolve() : operation()));
    } finally {
      this.tidy(room);
    }
  }

  /** Keeps the room in the map until {@link tidy}, because a request about it is about to run. */
  keep(room: JoinedRoom): void {
    this.#rooms ??= new Map();
    this.#rooms.set(room.name, room);
  }

  /** Removes a room that the connection is not in, unless an operation on it is still waiting or running. */
  tidy(room: JoinedRoom): void {
    if (room.busy || this.get(room.name) !== room) return;
    // Correct the count by the actual outcome: a request may have been refused.
    this.#want(room, room.joined);
    if (room.joined) return;
    this.#rooms?.delete(room.name);
    if (this.size === 0) this.#rooms = undefined;
  }

  /** Applies the current rights. Returns the rooms that they no longer allow. */
  applyRights(): JoinedRoom[] {
    const { permissions } = this.#client;
    const forbidden: JoinedRoom[] = [];
    for (const room of this.#rooms?.values() ?? []) {
      const mayStay = room.isAdmitted || permissions.mayJoin(room.name);
      // Refuse publishes that wait in front of the removal: each would delay the removal by the time of a hook.
      room.mayPublish = mayStay && permissions.mayPublish(room.name);
      if (!mayStay) forbidden.push(room);
    }
    return forbidden;
  }

  #want(room: JoinedRoom, wanted: boolean): void {
    if (room.wanted === wanted) return;
    room.wanted = wanted;
    this.#wanted += wanted ? 1 : -1;
  }
}
