import type { EnteredRoom, RoomInterest } from "@cm/protocol";
import type { OwnedConnection } from "./owned-connection.js";
import { PartitionedMap } from "./partitioned-map.js";

/** Options of {@link LocalRooms}. */
export interface LocalRoomsOptions {
  /** Number of partitions of the store. */
  readonly partitions: number;
  /** Enters a room when its first local member joins, and exits it when the last one has left. */
  readonly interest: RoomInterest;
  /** Called after `interest` has entered a room. Must not throw. */
  readonly onEntered: (room: string) => void;
  /** Called after `interest` has exited a room. Must not throw. */
  readonly onExited: (room: string) => void;
}

/** A room with local members. */
class LocalRoom {
  /** The room's local members. A single member is stored without a set. */
  members: OwnedConnection | Set<OwnedConnection>;
  /** Whether `interest` has entered the room. */
  isEntered = false;
  /** The result of that `enter`, which every join of the room gets. */
  entered: EnteredRoom | undefined = undefined;

  constructor(member: OwnedConnection) {
    this.members = member;
  }
}

/**
 * The rooms with members on this server. The interest enters a room for its first local member, and exits it when the
 * last one has left; other members do not concern it. For each room, `enter` and `exit` alternate.
 */
export class LocalRooms {
  readonly #options: LocalRoomsOptions;
  readonly #rooms: PartitionedMap<LocalRoom>;
  /** The calls of `interest.enter` in progress, by room. Such a room may have lost its members meanwhile. */
  readonly #entering = new Map<string, Promise<void>>();

  constructor(options: LocalRoomsOptions) {
    this.#options = options;
    this.#rooms = new PartitionedMap(options.partitions);
  }

  get size(): number {
    return this.#rooms.size;
  }

  has(room: string): boolean {
    return this.#rooms.has(room);
  }

  names(): Iterable<string> {
    return this.#rooms.names();
  }

  /** Returns the rooms of a partition. */
  ofPartition(partition: number): Iterable<string> {
    return this.#rooms.ofPartition(partition).keys();
  }

  membersOf(room: string): Iterable<OwnedConnection> {
    const members = this.#rooms.get(room)?.members ?? [];
    return Symbol.iterator in members ? members : [members];
  }

  add(name: string, member: OwnedConnection): void {
    const room = this.#rooms.get(name);
    if (room === undefined) {
      this.#rooms.set(name, new LocalRoom(member));
      return;
    }
    if (!(room.members instanceof Set)) room.members = new Set([room.members]);
    room.members.add(member);
  }

  /** Removes a member. If it was the last one, exits the room. */
  delete(name: string, member: OwnedConnection): void {
    const room = this.#rooms.get(name);
    if (room === undefined) return;
    if (room.members instanceof Set) {
      room.members.delete(member);
      if (room.members.size > 0) return;
    } else if (room.members !== member) return;
    this.#rooms.delete(name);
    // If the `enter` is still in progress, it exits the room at its end.
    if (!room.isEntered) return;
    const { interest, onExited } = this.#options;
    interest.exit(name);
    onExited(name);
  }

  /**
   * Enters a room that has local members. Returns `undefined` if it is entered already. Joins of the same room share
   * one `enter`. If it rejects, they all fail, and the next join tries again. The promise need not be awaited at once:
   * its rejection counts as handled.
   */
  enter(name: string): Promise<unknown> | undefined {
    if (this.#rooms.get(name)?.isEntered === true) return undefined;
    return this.#entering.get(name) ?? this.#enter(name);
  }

  /** Returns the result of {@link enter} for a room that was entered. */
  enteredRoom(name: string): EnteredRoom | undefined {
    return this.#rooms.get(name)?.entered;
  }

  #enter(name: string): Promise<void> {
    const { interest, onEntered } = this.#options;
    // The promise is removed in the same step in which the room counts as entered, so that a join that comes
    // between two steps of the promise chain, or from `onEntered`, does not get the result of an `enter` that has
    // been exited.
    const entering = this.#ask(name).then(
      (entered) => {
        this.#entering.delete(name);
        const room = this.#rooms.get(name);
        if (room === undefined) {
          // All members left during the call.
          interest.exit(name);
          return;
        }
        room.isEntered = true;
        room.entered = entered;
        onEntered(name);
      },
      (error: unknown) => {
        this.#entering.delete(name);
        throw error;
      },
    );
    entering.catch(() => undefined);
    this.#entering.set(name, entering);
    return entering;
  }

  /** Calls `interest.enter`. Rejects if it throws. */
  #ask(name: string): Promise<EnteredRoom | undefined> {
    try {
      return Promise.resolve(this.#options.interest.enter(name));
    } catch (error) {
      return Promise.reject(error);
    }
  }
}
