import type { Presence, RosterMember, Watch } from "@cm/presence";
import { encodeUtf8, type LocalDelivery, type OnError, type RosterChange, toCmError } from "@cm/protocol";

/**
 * The message that a room's members receive when a user has no connection in the room any more.
 *
 * - `user-left`: the last connection left the room and stays open
 * - `user-disconnected`: the last connection was closed, or its server died; also sent if this server
 *   could not determine the reason
 */
export interface DepartureMessage {
  /** How the user left. */
  readonly type: "user-left" | "user-disconnected";
  /** The room's name. */
  readonly roomId: string;
  /** The user who is no longer in the room. */
  readonly userId: string;
  /** The user's last connection in the room. */
  readonly connectionId: string;
  /** When the user left, in milliseconds since the Unix epoch. */
  readonly timestamp: number;
}

/** Options of {@link LeaveNotices}. */
export interface LeaveNoticesOptions {
  readonly presence: Pick<Presence, "watchRoom">;
  readonly local: Pick<LocalDelivery, "toRoom">;
  readonly onError: OnError;
}

/** Time until watching a room is attempted again after a failure, in milliseconds. */
const RETRY_MS = 5_000;

/**
 * Notifies local members of users who have left their rooms. A room is watched, with its members on all
 * servers, while it has local members.
 */
export class LeaveNotices {
  readonly #options: LeaveNoticesOptions;
  readonly #rooms = new Map<string, WatchedRoom>();
  readonly #unwatched = new Set<WatchedRoom>();
  #retry: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: LeaveNoticesOptions) {
    this.#options = options;
  }

  /** Begins to watch a room, because it has its first local member. */
  enter(name: string): void {
    if (this.#isClosed || this.#rooms.has(name)) return;
    const room = new WatchedRoom(name, this.#options, (failed) => this.#later(failed));
    this.#rooms.set(name, room);
    room.open();
  }

  /** Ends watching a room, because its last local member has left. */
  exit(name: string): void {
    const room = this.#rooms.get(name);
    if (room === undefined) return;
    this.#rooms.delete(name);
    this.#unwatched.delete(room);
    room.close();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    for (const room of this.#rooms.values()) room.close();
    this.#rooms.clear();
    this.#unwatched.clear();
  }

  #later(room: WatchedRoom): void {
    if (this.#isClosed) return;
    this.#unwatched.add(room);
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      const rooms = [...this.#unwatched];
      this.#unwatched.clear();
      for (const each of rooms) each.open();
    }, RETRY_MS).unref();
  }
}

/** One room with local members. */
class WatchedRoom {
  readonly #name: string;
  readonly #options: LeaveNoticesOptions;
  readonly #onUnwatched: (room: WatchedRoom) => void;
  /**
   * The user of each connection in the room; `undefined` before the first snapshot. `#counts` has the
   * number of connections of each user.
   */
  #members: Map<string, string> | undefined;
  readonly #counts = new Map<string, number>();
  #watch: Watch | undefined;
  #hasFailed = false;
  #isClosed = false;

  constructor(name: string, options: LeaveNoticesOptions, onUnwatched: (room: WatchedRoom) => void) {
    this.#name = name;
    this.#options = options;
    this.#onUnwatched = onUnwatched;
  }

  open(): void {
    this.#open().catch((cause: unknown) => this.#failed(cause));
  }

  close(): void {
    this.#isClosed = true;
    this.#release();
  }

  async #open(): Promise<void> {
    const watch = await this.#options.presence.watchRoom(this.#name, {
      snapshot: (members) => this.#snapshot(members),
      change: (change) => this.#change(change),
      ended: (error) => {
        this.#watch = undefined;
        this.#failed(error);
      },
    });
    this.#watch = watch;
    this.#hasFailed = false;
    // Close the watch if the last local member left while the watch was being opened.
    if (this.#isClosed) this.#release();
  }

  #release(): void {
    this.#watch?.close().catch((cause: unknown) => this.#report(cause));
    this.#watch = undefined;
  }

  /** Reports the first failure only, until watching has worked again. */
  #failed(cause: unknown): void {
    if (this.#isClosed) return;
    if (!this.#hasFailed) this.#report(cause);
    this.#hasFailed = true;
    this.#onUnwatched(this);
  }

  #report(cause: unknown): void {
    const error = toCmError(cause, "unavailable", "The members of a room can't be watched.");
    this.#options.onError(error, { stage: "subscription" });
  }

  /**
   * The first snapshot is the initial state. Users whom a later one lacks have left unnoticed, so their departure is
   * announced now. Before a snapshot drops users, their server had time to write them to the store again.
   */
  #snapshot(members: readonly RosterMember[]): void {
    const before = this.#members;
    this.#members = new Map(members.map(({ connectionId, userId }) => [connectionId, userId]));
    this.#counts.clear();
    for (const { userId } of members) this.#counts.set(userId, (this.#counts.get(userId) ?? 0) + 1);
    const gone = new Map<string, string>();
    for (const [connectionId, userId] of before ?? []) if (!this.#counts.has(userId)) gone.set(userId, connectionId);
    for (const [userId, connectionId] of gone) this.#tell("user-disconnected", userId, connectionId, Date.now());
  }

  #change({ kind, connectionId, userId, reason, at }: RosterChange): void {
    const members = this.#members;
    if (members === undefined) return;
    const isKnown = members.has(connectionId);
    const count = this.#counts.get(userId) ?? 0;
    if (kind !== "left") {
      if (isKnown) return;
      members.set(connectionId, userId);
      this.#counts.set(userId, count + 1);
      return;
    }
    if (!isKnown) return;
    members.delete(connectionId);
    if (count > 1) {
      this.#counts.set(userId, count - 1);
      return;
    }
    this.#counts.delete(userId);
    this.#tell(reason === "left" ? "user-left" : "user-disconnected", userId, connectionId, at);
  }

  #tell(type: DepartureMessage["type"], userId: string, connectionId: string, timestamp: number): void {
    const message: DepartureMessage = { type, roomId: this.#name, userId, connectionId, timestamp };
    this.#options.local.toRoom(this.#name, encodeUtf8(JSON.stringify(message)), []);
  }
}
