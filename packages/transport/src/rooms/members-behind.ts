import { encodeServerFrame, type OnError, toCmError } from "@cm/protocol";
import { type BehindState, type KeptBudget, RoomBehind } from "./room-behind.js";
import { type ResolvedSlowReaderOptions, requirePolicy, type SlowReaderPolicy } from "./slow-reader-options.js";

/** A connection as a member of rooms, in which it may fall behind. */
export interface SlowReader {
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

/** Options of {@link MembersBehind}. */
export interface MembersBehindOptions extends ResolvedSlowReaderOptions {
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
const CHECK_INTERVAL_MS = 25;

/** Approximate maximum number of frames written in one check, so that other work can run before the next one. */
const FRAMES_PER_CHECK = 1_000;

/**
 * Minimum time between two `gap` frames for one member and room, in milliseconds. A member that falls behind
 * again gets no messages of the room until this time has passed.
 */
const NOTICE_INTERVAL_MS = 1_000;

/** Maximum number of bytes that all rooms together keep for members that are behind. */
const ALL_KEPT_MAX_BYTES = 16 * 1024 * 1024;

/** Maximum size of a frame's header, in bytes. */
const FRAME_HEADER_BYTES = 10;

type SkippingPolicy = Exclude<SlowReaderPolicy, "close">;

/** The membership of a connection in a room that does not close slow readers. */
interface Membership {
  readonly room: RoomBehind;
  /** Set while the connection gets no messages of the room. */
  state: BehindState | undefined;
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
export class MembersBehind {
  readonly #options: MembersBehindOptions;
  readonly #rooms = new Map<string, RoomBehind>();
  readonly #memberships = new Map<SlowReader, Memberships>();
  /** Connections that are behind in at least one room. */
  readonly #behind = new Set<SlowReader>();
  readonly #skipped: Record<SkippingPolicy, number> = { drop: 0, latest: 0 };
  readonly #kept: KeptBudget = { bytes: 0, maxBytes: ALL_KEPT_MAX_BYTES };
  /** Bytes of messages to `drop` and `latest` rooms since the members were last checked. */
  #sentSince = 0;
  #isChecking = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: MembersBehindOptions) {
    this.#options = options;
  }

  enter(connection: SlowReader, name: string): void {
    const memberships = this.#memberships.get(connection);
    if (memberships?.has(name)) return;
    const room = this.#rooms.get(name) ?? this.#create(name);
    if (room !== undefined) {
      room.members++;
      const membership = { room, state: undefined, notifiedAt: Number.NEGATIVE_INFINITY };
      if (memberships === undefined) this.#memberships.set(connection, new Map([[name, membership]]));
      else memberships.set(name, membership);
    }
    connection.enterRoom(name);
  }

  /** Removes the connection from a room. A member that is behind is notified of what it missed. */
  leave(connection: SlowReader, name: string): void {
    const memberships = this.#memberships.get(connection);
    const membership = memberships?.get(name);
    if (memberships === undefined || membership === undefined) {
      connection.leaveRoom(name);
      return;
    }
    memberships.delete(name);
    if (memberships.size === 0) this.#memberships.delete(connection);
    const { room, state } = membership;
    if (state === undefined) {
      connection.leaveRoom(name);
    } else {
      const missed = this.#end(connection, membership, state);
      if (!isBehind(memberships)) this.#behind.delete(connection);
      if (missed > 0 || state.lost !== 0) connection.send(gapFrame(name, missed, state, false));
    }
    this.#left(room);
  }

  /** Must be called when the connection has been closed. */
  closed(connection: SlowReader): void {
    const memberships = this.#memberships.get(connection);
    if (memberships === undefined) return;
    this.#memberships.delete(connection);
    this.#behind.delete(connection);
    for (const membership of memberships.values()) {
      if (membership.state !== undefined) this.#end(connection, membership, membership.state);
      this.#left(membership.room);
    }
  }

  /** Must be called before a message is sent to a room. */
  sending(name: string, frame: Uint8Array, except: readonly string[]): void {
    const room = this.#rooms.get(name);
    if (room === undefined) return;
    this.#sentSince += frame.byteLength + FRAME_HEADER_BYTES;
    if (this.#sentSince > this.#options.maxBytes / 2) this.#check();
    if (room.behind.size > 0) room.skip(frame, except, this.#options.keyOf);
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
  skipped(): Readonly<Record<SkippingPolicy, number>> {
    const counts = { ...this.#skipped };
    for (const room of this.#roomsBehind()) {
      for (const [id, state] of room.behind) counts[room.policy] += room.absenceOf(id, state).missed;
    }
    return counts;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #roomsBehind(): Iterable<RoomBehind> {
    const rooms = new Set<RoomBehind>();
    for (const connection of this.#behind) {
      for (const { room, state } of this.#memberships.get(connection)?.values() ?? [])
        if (state !== undefined) rooms.add(room);
    }
    return rooms;
  }

  #create(name: string): RoomBehind | undefined {
    const policy = this.#policyOf(name);
    if (policy === "close") return undefined;
    // Keep at most half of `maxBytes`, so that sending the kept messages does not put a member behind again.
    const room = new RoomBehind(name, policy, this.#options.maxBytes / 2, this.#kept);
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

  #left(room: RoomBehind): void {
    if (--room.members === 0) this.#rooms.delete(room.name);
  }

  /** Excludes the members whose queued bytes exceed the limit from the fan-out of their rooms. */
  #check(): void {
    // Return if a check is in progress: it may close connections whose handlers send messages.
    if (this.#isChecking || this.#options.isSending()) return;
    this.#isChecking = true;
    this.#sentSince = 0;
    const { maxBytes } = this.#options;
    for (const [connection, memberships] of this.#memberships) {
      if (connection.bufferedBytes <= maxBytes) continue;
      connection.flush();
      if (connection.bufferedBytes > maxBytes) this.#takeOut(connection, memberships);
    }
    this.#isChecking = false;
  }

  #takeOut(connection: SlowReader, memberships: Memberships): void {
    for (const membership of memberships.values()) {
      if (membership.state !== undefined) continue;
      // Messages sent before this call are written now; messages sent from now on count as missed.
      connection.leaveRoom(membership.room.name);
      if (!connection.open) return;
      if (memberships.get(membership.room.name) === membership)
        membership.state = membership.room.fallBehind(connection.id);
    }
    if (isBehind(memberships)) this.#behind.add(connection);
    this.#checkLater();
  }

  #checkLater(): void {
    if (this.#behind.size === 0) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      let frames = 0;
      for (const connection of this.#behind) {
        if (frames >= FRAMES_PER_CHECK) break;
        frames += this.#putBack(connection);
      }
      this.#checkLater();
    }, CHECK_INTERVAL_MS);
  }

  /**
   * Adds a connection back to its rooms one by one, as long as the client reads. Returns the approximate number
   * of frames written.
   */
  #putBack(connection: SlowReader): number {
    const now = performance.now();
    const memberships = this.#memberships.get(connection);
    if (memberships === undefined) return 0;
    let frames = 0;
    for (const membership of memberships.values()) {
      if (membership.state === undefined || now - membership.notifiedAt < NOTICE_INTERVAL_MS) continue;
      if (connection.bufferedBytes > this.#options.maxBytes / 2) break;
      frames += this.#return(connection, membership, membership.state, now);
      if (!connection.open) return frames;
    }
    if (!isBehind(memberships)) this.#behind.delete(connection);
    return frames;
  }

  #return(connection: SlowReader, membership: Membership, state: BehindState, now: number): number {
    const { room } = membership;
    // Enter first: messages held back for the other members are sent within this call, and count as missed by
    // this one.
    connection.enterRoom(room.name);
    if (!connection.open) return 0;
    // A handler that was called within `enterRoom` may have removed the connection from the room.
    if (membership.state !== state) {
      connection.leaveRoom(room.name);
      return 0;
    }
    const { kept, missed, isWhole } = room.absenceOf(connection.id, state);
    this.#skipped[room.policy] += missed;
    membership.state = undefined;
    room.caughtUp(connection.id);
    // Send the gap in the same turn, so that no message of the room precedes it.
    if (missed > 0 || state.lost !== 0) {
      membership.notifiedAt = now;
      connection.send(gapFrame(room.name, missed, state, isWhole));
    }
    for (const frame of kept) connection.send(frame);
    return 1 + kept.length;
  }

  /** Forgets that a member that leaves or was closed is behind. Returns the number of messages that it missed. */
  #end(connection: SlowReader, membership: Membership, state: BehindState): number {
    const { room } = membership;
    const missed = room.skippedBy(state);
    this.#skipped[room.policy] += missed;
    membership.state = undefined;
    room.caughtUp(connection.id);
    return missed;
  }
}

function isBehind(memberships: Memberships): boolean {
  for (const { state } of memberships.values()) if (state !== undefined) return true;
  return false;
}

/**
 * Encodes a `gap` frame. The frame has no `reason` if messages were also lost on their way to this server,
 * because a slow reader is not the reason for those.
 */
function gapFrame(room: string, missed: number, { lost }: BehindState, isWhole: boolean): string {
  const reason = isWhole ? "conflated" : "slow-reader";
  return encodeServerFrame({
    type: "gap",
    room,
    ...(lost === undefined ? {} : { missed: missed + lost }),
    ...(lost === 0 ? { reason } : {}),
  });
}
