import { CmError, type Sender } from "@cm/protocol";
import type { Permissions } from "../permissions.js";
import { SessionRoom } from "./session-room.js";

/** What {@link SessionRooms} needs. */
export interface SessionRoomsOptions {
  readonly from: Sender;
  readonly permissions: Permissions;
  /** The most rooms that the connection may want at a time. */
  readonly maxRooms: number;
  readonly isClosed: () => boolean;
}

/**
 * The rooms that one connection is in, enters or leaves. Operations on one room run one after
 * the other, in the order in which they were asked for.
 */
export class SessionRooms {
  readonly #options: SessionRoomsOptions;
  readonly #rooms = new Map<string, SessionRoom>();
  /** Rooms that the client wants to be in; one that is being left does not count against its limit. */
  #wanted = 0;

  constructor(options: SessionRoomsOptions) {
    this.#options = options;
  }

  get(room: string): SessionRoom | undefined {
    return this.#rooms.get(room);
  }

  /** Rooms that the connection is in, enters or leaves. */
  get size(): number {
    return this.#rooms.size;
  }

  clear(): void {
    this.#rooms.clear();
  }

  /** The room to enter; `rooms-limit` thrown where that is one too many. */
  enter(room: string): SessionRoom {
    const { from, permissions, maxRooms } = this.#options;
    const entered = this.#rooms.get(room) ?? new SessionRoom(room, from, permissions.mayPublish(room));
    if (!entered.wanted) {
      if (this.#wanted >= maxRooms) {
        throw new CmError("rooms-limit", `A connection can be in at most ${maxRooms} rooms.`);
      }
      this.#want(entered, true);
    }
    return entered;
  }

  /** The room does not count against the limit from now on. */
  leave(room: SessionRoom): void {
    this.#want(room, false);
  }

  /** Runs an operation on a room after the ones before it, unless the connection has closed by then. */
  async inTurn(room: SessionRoom, operation: () => Promise<void>): Promise<void> {
    this.#rooms.set(room.name, room);
    try {
      await room.run(async () => (this.#options.isClosed() ? undefined : operation()));
    } finally {
      this.tidy(room);
    }
  }

  /** Keeps a room known until {@link tidy}: a request about it is about to be run. */
  keep(room: SessionRoom): void {
    this.#rooms.set(room.name, room);
  }

  /** Forgets a room that the connection is not in, once no operation on it is left. */
  tidy(room: SessionRoom): void {
    if (room.busy || this.#rooms.get(room.name) !== room) return;
    // What it came to; a request may have been refused on the way.
    this.#want(room, room.joined);
    if (!room.joined) this.#rooms.delete(room.name);
  }

  /** Takes the rights as they are now; the rooms that they do not allow any more. */
  applyRights(): SessionRoom[] {
    const { permissions } = this.#options;
    const forbidden: SessionRoom[] = [];
    for (const room of this.#rooms.values()) {
      room.mayPublish = permissions.mayPublish(room.name);
      if (!room.isAdmitted && !permissions.mayJoin(room.name)) forbidden.push(room);
    }
    return forbidden;
  }

  #want(room: SessionRoom, wanted: boolean): void {
    if (room.wanted === wanted) return;
    room.wanted = wanted;
    this.#wanted += wanted ? 1 : -1;
  }
}
