import { topicOf } from "./room-topics.js";

/**
 * Maximum number of local members of a room that is written to member by member. With one more, or once several
 * of its messages share a write, the room gets a native topic until its last member leaves: a topic is cheaper for
 * many members, and for several messages at a time.
 *
 * But a topic takes about 300 bytes, and the native layer unsubscribes a socket from all its topics in the turn in
 * which it closes, about 1.4 us each: 1,500 clients in 100 rooms of their own that vanish together blocked the
 * event loop for 200 ms.
 */
const DIRECT_MEMBERS_MAX = 4;

/** A connection as a member of rooms. */
export interface DirectMember {
  readonly id: string;
  readonly open: boolean;
  /** Subscribes the socket to a native topic. Does nothing once the connection is closed. */
  subscribe(topic: string): void;
  /** Unsubscribes the socket from a native topic. Does nothing once the connection is closed. */
  unsubscribe(topic: string): void;
  /** Sends a frame at the end of the turn. The bytes must not change until then. */
  deliver(frame: Buffer): void;
}

/**
 * The members of a room: of a small room the only member, or all members; of any other room their number.
 * An array is never modified, so that it can be iterated over while members come and go.
 */
type Members<M> = M | readonly M[] | number;

/** The members of all rooms. Only the first lane of a room can be without a native topic. */
export class RoomMembers<M extends DirectMember> {
  readonly #rooms = new Map<string, Members<M>>();

  /** Number of rooms with members, including closed connections that were not removed yet. */
  get roomCount(): number {
    return this.#rooms.size;
  }

  /** Number of members of a room, including closed connections that were not removed yet. */
  count(room: string): number {
    const members = this.#rooms.get(room);
    if (members === undefined) return 0;
    return typeof members === "number" ? members : listOf(members).length;
  }

  /** The members of a room without a native topic; `undefined` if the room has a topic or no members. */
  direct(room: string): readonly M[] | undefined {
    const members = this.#rooms.get(room);
    return members === undefined || typeof members === "number" ? undefined : listOf(members);
  }

  /** Adds a connection to a lane of a room that it is not in. */
  enter(member: M, room: string, lane: number): void {
    const members = this.#rooms.get(room);
    if (typeof members === "number") {
      member.subscribe(topicOf(room, lane));
      this.#rooms.set(room, members + 1);
      return;
    }
    const direct = members === undefined ? [] : listOf(members);
    if (lane === 0 && direct.length < DIRECT_MEMBERS_MAX) {
      this.#rooms.set(room, direct.length === 0 ? member : [...direct, member]);
      return;
    }
    this.addTopic(room);
    member.subscribe(topicOf(room, lane));
    this.#rooms.set(room, direct.length + 1);
  }

  /** Subscribes the members of a room without a native topic to one. */
  addTopic(room: string): void {
    const direct = this.direct(room);
    if (direct === undefined) return;
    for (const member of direct) member.subscribe(topicOf(room));
    this.#rooms.set(room, direct.length);
  }

  /** Removes a connection from the lane of a room that it is in. */
  leave(member: M, room: string, lane: number): void {
    const members = this.#rooms.get(room);
    if (members === undefined) return;
    if (typeof members === "number") {
      member.unsubscribe(topicOf(room, lane));
      this.#set(room, members - 1);
      return;
    }
    const left = listOf(members).filter((each) => each !== member);
    const [only] = left;
    this.#set(room, left.length === 1 && only !== undefined ? only : left);
  }

  #set(room: string, members: Members<M>): void {
    const isEmpty = members === 0 || (Array.isArray(members) && members.length === 0);
    if (isEmpty) this.#rooms.delete(room);
    else this.#rooms.set(room, members);
  }
}

function listOf<M extends DirectMember>(members: M | readonly M[]): readonly M[] {
  return isList(members) ? members : [members];
}

function isList<M extends DirectMember>(members: M | readonly M[]): members is readonly M[] {
  return Array.isArray(members);
}
