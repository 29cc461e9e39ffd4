import { encodeServerFrame, type OnError, toCmError } from "@cm/protocol";
import { type KeptBudget, type Lag, LaggingRoom } from "./lagging-room.js";
import { type ResolvedSlowReaderOptions, requirePolicy, type SlowReaderPolicy } from "./slow-reader-options.js";

/** A connection as a member of rooms. */
export interface RoomMember {
  readonly id: string;
  readonly open: boolean;
  readonly bufferedBytes: number;
  send(frame: string | Uint8Array): boolean;
  /**
   * Passes the frames that wait for the end of the turn to the operating system, so that only the bytes that the
   * client does not read are still queued.
   */
  flush(): void;
  /**
   * Adds the connection to the room's members, after the messages that are held back for other members have been
   * sent.
   */
  enterRoom(room: string): void;
  /** Removes the connection from the room's members, after messages that were sent before have been written to it. */
  leaveRoom(room: string): void;
}

/** Options of {@link LaggingMembers}. */
export interface LaggingMembersOptions extends ResolvedSlowReaderOptions {
  /**
   * Whether a room's messages are being written. Members must not enter or leave at that time, because they
   * would miss some of the messages.
   */
  readonly isSending: () => boolean;
  readonly onError: OnError;
}

/**
 * Interval at which members that are behind are checked, in milliseconds. The WebSocket libraries' events for
 * written data are not used, because they are emitted for every small part that a client reads.
 */
const LOOK_EVERY_MS = 25;

/** Approximate maximum number of frames written in one check, so that other work can run before the next one. */
const FRAMES_PER_LOOK = 1_000;

/**
 * Minimum time between two `gap` frames for one member and room, in milliseconds. A member that falls behind
 * again gets no messages of the room until this time has passed.
 */
const NOTICE_INTERVAL_MS = 1_000;

/** Maximum number of bytes that all rooms together keep for members that are behind. */
const ALL_KEPT_MAX_BYTES = 16 * 1024 * 1024;

/** Maximum size of a frame's header, in bytes. */
const FRAME_HEADER_BYTES = 10;

type LeavingPolicy = Exclude<SlowReaderPolicy, "close">;

/** The membership of a connection in a room that does not close slow readers. */
interface Membership {
  readonly room: LaggingRoom;
  /** Set while the connection gets no messages of the room. */
  lag: Lag | undefined;
  notifiedAt: number;
}

/** The memberships of one connection, by room. */
type Memberships = Map<string, Membership>;

/**
 * Removes members that do not read from the fan-out of rooms whose policy is `drop` or `latest`, and adds them
 * back once they have read, with a `gap` for the messages that they missed.
 *
 * Members that read cause no work when a message is sent: the members of these rooms are only checked each time
 * another half of `maxBytes` has been sent to the rooms, and those with more than `maxBytes` queued are removed
 * from the fan-out. A member therefore never misses messages without being notified: it gets the messages sent
 * before it was removed, then the `gap`, then the messages sent after it was added back.
 */
export class LaggingMembers {
  readonly #options: LaggingMembersOptions;
  readonly #rooms = new Map<string, LaggingRoom>();
  readonly #memberships = new Map<RoomMember, Memberships>();
  /** Connections that are behind in at least one room. */
  readonly #behind = new Set<RoomMember>();
  readonly #leftOut: Record<LeavingPolicy, number> = { drop: 0, latest: 0 };
  readonly #kept: KeptBudget = { bytes: 0, maxBytes: ALL_KEPT_MAX_BYTES };
  /** Bytes of messages to `drop` and `latest` rooms since the members were last checked. */
  #sentSince = 0;
  #isLooking = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LaggingMembersOptions) {
    this.#options = options;
  }

  enter(connection: RoomMember, name: string): void {
    const memberships = this.#memberships.get(connection);
    if (memberships?.has(name)) return;
    const room = this.#rooms.get(name) ?? this.#create(name);
    if (room !== undefined) {
      room.members++;
      const membership = { room, lag: undefined, notifiedAt: Number.NEGATIVE_INFINITY };
      if (memberships === undefined) this.#memberships.set(connection, new Map([[name, membership]]));
      else memberships.set(name, membership);
    }
    connection.enterRoom(name);
  }

  /** Removes the connection from a room. A member that is behind is notified of what it missed. */
  leave(connection: RoomMember, name: string): void {
    const memberships = this.#memberships.get(connection);
    const membership = memberships?.get(name);
    if (memberships === undefined || membership === undefined) {
      connection.leaveRoom(name);
      return;
    }
    memberships.delete(name);
    if (memberships.size === 0) this.#memberships.delete(connection);
    const { room, lag } = membership;
    if (lag === undefined) {
      connection.leaveRoom(name);
    } else {
      const missed = this.#end(connection, membership, lag);
      if (!hasLag(memberships)) this.#behind.delete(connection);
      if (missed > 0 || lag.lost !== 0) connection.send(gapFrame(name, missed, lag, false));
    }
    this.#left(room);
  }

  /** Must be called when the connection has been closed. */
  closed(connection: RoomMember): void {
    const memberships = this.#memberships.get(connection);
    if (memberships === undefined) return;
    this.#memberships.delete(connection);
    this.#behind.delete(connection);
    for (const membership of memberships.values()) {
      if (membership.lag !== undefined) this.#end(connection, membership, membership.lag);
      this.#left(membership.room);
    }
  }

  /** Must be called before a message is sent to a room. */
  sending(name: string, frame: Uint8Array, except: readonly string[]): void {
    const room = this.#rooms.get(name);
    if (room === undefined) return;
    this.#sentSince += frame.byteLength + FRAME_HEADER_BYTES;
    if (this.#sentSince > this.#options.maxBytes / 2) this.#look();
    if (room.behind.size > 0) room.leaveOut(frame, except, this.#options.keyOf);
  }

  /**
   * Records that messages of a room were lost on their way to this server; only members that are behind are
   * affected.
   */
  lost(name: string, missed: number | undefined): void {
    this.#rooms.get(name)?.lost(missed);
  }

  /** Number of members that get no messages at the moment; a connection counts once for each room. */
  get membersBehind(): number {
    let count = 0;
    for (const { behind } of this.#roomsBehind()) count += behind.size;
    return count;
  }

  /**
   * Number of rooms whose local members are all behind. `membersOf` returns the number of members of a room that
   * are not behind.
   */
  roomsWithoutOthers(membersOf: (room: string) => number): number {
    let count = 0;
    for (const { name } of this.#roomsBehind()) if (membersOf(name) === 0) count++;
    return count;
  }

  /** Whether a room with members does not close those that read too slowly. */
  has(name: string): boolean {
    return this.#rooms.has(name);
  }

  /** Number of members of a room that are behind. */
  behindIn(name: string): number {
    return this.#rooms.get(name)?.behind.size ?? 0;
  }

  /** Number of messages that members did not get, counting each copy. Iterates over all members that are behind. */
  leftOut(): Readonly<Record<LeavingPolicy, number>> {
    const counts = { ...this.#leftOut };
    for (const room of this.#roomsBehind()) {
      for (const [id, lag] of room.behind) counts[room.policy] += room.absenceOf(id, lag).missed;
    }
    return counts;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #roomsBehind(): Iterable<LaggingRoom> {
    const rooms = new Set<LaggingRoom>();
    for (const connection of this.#behind) {
      for (const { room, lag } of this.#memberships.get(connection)?.values() ?? [])
        if (lag !== undefined) rooms.add(room);
    }
    return rooms;
  }

  #create(name: string): LaggingRoom | undefined {
    const policy = this.#policyOf(name);
    if (policy === "close") return undefined;
    // Keep at most half of `maxBytes`, so that sending the kept messages does not put a member behind again.
    const room = new LaggingRoom(name, policy, this.#options.maxBytes / 2, this.#kept);
    this.#rooms.set(name, room);
    return room;
  }

  #policyOf(name: string): SlowReaderPolicy {
    try {
      return requirePolicy(this.#options.policyOf(name));
    } catch (cause) {
      this.#options.onError(toCmError(cause, "internal", "A room's policy for slow readers is not known."), {
        stage: "handler",
      });
      return "close";
    }
  }

  #left(room: LaggingRoom): void {
    if (--room.members === 0) this.#rooms.delete(room.name);
  }

  /** Excludes the members whose queued bytes exceed the limit from the fan-out of their rooms. */
  #look(): void {
    // Return if a check is in progress: it may close connections whose handlers send messages.
    if (this.#isLooking || this.#options.isSending()) return;
    this.#isLooking = true;
    this.#sentSince = 0;
    const { maxBytes } = this.#options;
    for (const [connection, memberships] of this.#memberships) {
      if (connection.bufferedBytes <= maxBytes) continue;
      connection.flush();
      if (connection.bufferedBytes > maxBytes) this.#takeOut(connection, memberships);
    }
    this.#isLooking = false;
  }

  #takeOut(connection: RoomMember, memberships: Memberships): void {
    for (const membership of memberships.values()) {
      if (membership.lag !== undefined) continue;
      // Messages sent before this call are written now; messages sent from now on count as missed.
      connection.leaveRoom(membership.room.name);
      if (!connection.open) return;
      if (memberships.get(membership.room.name) === membership)
        membership.lag = membership.room.fallBehind(connection.id);
    }
    if (hasLag(memberships)) this.#behind.add(connection);
    this.#lookLater();
  }

  #lookLater(): void {
    if (this.#behind.size === 0) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      let frames = 0;
      for (const connection of this.#behind) {
        if (frames >= FRAMES_PER_LOOK) break;
        frames += this.#putBack(connection);
      }
      this.#lookLater();
    }, LOOK_EVERY_MS);
  }

  /**
   * Adds a connection back to its rooms one by one, as long as the client reads. Returns the approximate number
   * of frames written.
   */
  #putBack(connection: RoomMember): number {
    const now = performance.now();
    const memberships = this.#memberships.get(connection);
    if (memberships === undefined) return 0;
    let frames = 0;
    for (const membership of memberships.values()) {
      if (membership.lag === undefined || now - membership.notifiedAt < NOTICE_INTERVAL_MS) continue;
      if (connection.bufferedBytes > this.#options.maxBytes / 2) break;
      frames += this.#return(connection, membership, membership.lag, now);
      if (!connection.open) return frames;
    }
    if (!hasLag(memberships)) this.#behind.delete(connection);
    return frames;
  }

  #return(connection: RoomMember, membership: Membership, lag: Lag, now: number): number {
    const { room } = membership;
    // Enter first: messages held back for the other members are sent within this call, and count as missed by
    // this one.
    connection.enterRoom(room.name);
    if (!connection.open) return 0;
    // A handler that was called within `enterRoom` may have removed the connection from the room.
    if (membership.lag !== lag) {
      connection.leaveRoom(room.name);
      return 0;
    }
    const { kept, missed, isWhole } = room.absenceOf(connection.id, lag);
    this.#leftOut[room.policy] += missed;
    membership.lag = undefined;
    room.caughtUp(connection.id);
    // Send the gap in the same turn, so that no message of the room precedes it.
    if (missed > 0 || lag.lost !== 0) {
      membership.notifiedAt = now;
      connection.send(gapFrame(room.name, missed, lag, isWhole));
    }
    for (const frame of kept) connection.send(frame);
    return 1 + kept.length;
  }

  /** Ends the lag of a member that leaves or was closed. Returns the number of messages that the member missed. */
  #end(connection: RoomMember, membership: Membership, lag: Lag): number {
    const { room } = membership;
    const missed = room.leftOutOf(lag);
    this.#leftOut[room.policy] += missed;
    membership.lag = undefined;
    room.caughtUp(connection.id);
    return missed;
  }
}

function hasLag(memberships: Memberships): boolean {
  for (const { lag } of memberships.values()) if (lag !== undefined) return true;
  return false;
}

/**
 * Encodes a `gap` frame. The frame has no `reason` if messages were also lost on their way to this server,
 * because a slow reader is not the reason for those.
 */
function gapFrame(room: string, missed: number, { lost }: Lag, isWhole: boolean): string {
  const reason = isWhole ? "conflated" : "slow-reader";
  return encodeServerFrame({
    type: "gap",
    room,
    ...(lost === undefined ? {} : { missed: missed + lost }),
    ...(lost === 0 ? { reason } : {}),
  });
}
