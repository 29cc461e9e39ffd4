import { encodeServerFrame, type OnError, toCmError } from "@cm/protocol";
import { type KeptBudget, type Lag, LaggingRoom } from "./lagging-room.js";
import { type ResolvedSlowReaderOptions, requirePolicy, type SlowReaderPolicy } from "./slow-readers.js";

/** A connection, as a member of rooms. */
export interface RoomMember {
  readonly id: string;
  readonly open: boolean;
  readonly bufferedBytes: number;
  send(frame: string | Uint8Array): boolean;
  /** Hands what can be written to the system, so that only what the client does not read still waits. */
  flush(): void;
  /** Gets what is sent to the room from now on. What waits for others of the room is sent before that. */
  enterRoom(room: string): void;
  /** Gets nothing more of the room. What was sent before is written to it before that. */
  leaveRoom(room: string): void;
}

/** What {@link LaggingMembers} needs. */
export interface LaggingMembersOptions extends ResolvedSlowReaderOptions {
  /** Whether a room's messages are being written: who enters or leaves then would miss some of them. */
  readonly isSending: () => boolean;
  readonly onError: OnError;
}

/** How often those that are behind are looked at, in milliseconds. The libraries tell of every bit that a client reads. */
const LOOK_EVERY_MS = 25;

/** Frames that are written at one look, about: others have their turn before the next. */
const FRAMES_PER_LOOK = 1_000;

/** A member is told at most once in this time, in milliseconds: it stays out until then. */
const TELL_EVERY_MS = 1_000;

/** What all rooms keep for members that are behind, in bytes. */
const ALL_KEPT_MAX_BYTES = 16 * 1024 * 1024;

/** A frame's header at its longest. */
const FRAME_HEADER_BYTES = 10;

type LeavingPolicy = Exclude<SlowReaderPolicy, "close">;

/** A connection's place in a room that does not close slow readers. */
interface Seat {
  readonly room: LaggingRoom;
  /** Set while the connection gets nothing of the room. */
  lag: Lag | undefined;
  toldAt: number;
}

/** A connection's seats, by room. */
type Seats = Map<string, Seat>;

/**
 * Takes members that do not read out of the rooms whose policy is `drop` or `latest`, and puts them back, with a
 * `gap` for what they missed, when they have read.
 *
 * A member that reads costs nothing here when a message is sent: the members of such rooms are looked at
 * each time another half of `maxBytes` went to them, and those with more than `maxBytes` waiting leave the
 * room's fan-out. So a member never has a hole that it was not told of: it gets what was sent before it left,
 * then the `gap`, then what was sent after it came back.
 */
export class LaggingMembers {
  readonly #options: LaggingMembersOptions;
  readonly #rooms = new Map<string, LaggingRoom>();
  readonly #seats = new Map<RoomMember, Seats>();
  /** Connections with a lag in at least one room. */
  readonly #behind = new Set<RoomMember>();
  readonly #leftOut: Record<LeavingPolicy, number> = { drop: 0, latest: 0 };
  readonly #kept: KeptBudget = { bytes: 0, maxBytes: ALL_KEPT_MAX_BYTES };
  /** Bytes of messages to such rooms since their members were looked at. */
  #sentSince = 0;
  #isLooking = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LaggingMembersOptions) {
    this.#options = options;
  }

  enter(connection: RoomMember, name: string): void {
    const seats = this.#seats.get(connection);
    if (seats?.has(name)) return;
    const room = this.#rooms.get(name) ?? this.#create(name);
    if (room !== undefined) {
      room.members++;
      const seat = { room, lag: undefined, toldAt: Number.NEGATIVE_INFINITY };
      if (seats === undefined) this.#seats.set(connection, new Map([[name, seat]]));
      else seats.set(name, seat);
    }
    connection.enterRoom(name);
  }

  /** A member that is behind is told what it missed. */
  leave(connection: RoomMember, name: string): void {
    const seats = this.#seats.get(connection);
    const seat = seats?.get(name);
    if (seats === undefined || seat === undefined) {
      connection.leaveRoom(name);
      return;
    }
    seats.delete(name);
    if (seats.size === 0) this.#seats.delete(connection);
    const { room, lag } = seat;
    if (lag === undefined) {
      connection.leaveRoom(name);
    } else {
      const missed = this.#end(connection, seat, lag);
      if (!hasLag(seats)) this.#behind.delete(connection);
      if (missed > 0 || lag.lost !== 0) connection.send(gapFrame(name, missed, lag, false));
    }
    this.#left(room);
  }

  /** The connection is over. */
  closed(connection: RoomMember): void {
    const seats = this.#seats.get(connection);
    if (seats === undefined) return;
    this.#seats.delete(connection);
    this.#behind.delete(connection);
    for (const seat of seats.values()) {
      if (seat.lag !== undefined) this.#end(connection, seat, seat.lag);
      this.#left(seat.room);
    }
  }

  /** A message is about to be sent to a room. */
  sending(name: string, frame: Uint8Array, except: readonly string[]): void {
    const room = this.#rooms.get(name);
    if (room === undefined) return;
    this.#sentSince += frame.byteLength + FRAME_HEADER_BYTES;
    if (this.#sentSince > this.#options.maxBytes / 2) this.#look();
    if (room.behind.size > 0) room.leaveOut(frame, except, this.#options.keyOf);
  }

  /** Messages of a room were lost on their way to this server; those that are not behind are told otherwise. */
  lost(name: string, missed: number | undefined): void {
    this.#rooms.get(name)?.lost(missed);
  }

  /** Members of rooms that get nothing for now; a connection counts once for each room. */
  get membersBehind(): number {
    let count = 0;
    for (const { behind } of this.#roomsBehind()) count += behind.size;
    return count;
  }

  /** Rooms with members all of which are behind, by what `membersOf` says of the others. */
  roomsWithoutOthers(membersOf: (room: string) => number): number {
    let count = 0;
    for (const { name } of this.#roomsBehind()) if (membersOf(name) === 0) count++;
    return count;
  }

  /** Members of a room that are behind. */
  behindIn(name: string): number {
    return this.#rooms.get(name)?.behind.size ?? 0;
  }

  /** Messages that members did not get, each copy counted. Costs a look at each member that is behind. */
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
      for (const { room, lag } of this.#seats.get(connection)?.values() ?? []) if (lag !== undefined) rooms.add(room);
    }
    return rooms;
  }

  #create(name: string): LaggingRoom | undefined {
    const policy = this.#policyOf(name);
    if (policy === "close") return undefined;
    // Half of what a member may have waiting, so that what is kept does not put it behind again.
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

  /** Takes those out of their rooms that do not read. */
  #look(): void {
    // The flush of what waits may close connections, whose handlers may send.
    if (this.#isLooking || this.#options.isSending()) return;
    this.#isLooking = true;
    this.#sentSince = 0;
    const { maxBytes } = this.#options;
    for (const [connection, seats] of this.#seats) {
      if (connection.bufferedBytes <= maxBytes) continue;
      connection.flush();
      if (connection.bufferedBytes > maxBytes) this.#takeOut(connection, seats);
    }
    this.#isLooking = false;
  }

  #takeOut(connection: RoomMember, seats: Seats): void {
    for (const seat of seats.values()) {
      if (seat.lag !== undefined) continue;
      // What was sent before is written now; what comes from now on counts as missed.
      connection.leaveRoom(seat.room.name);
      if (!connection.open) return;
      if (seats.get(seat.room.name) === seat) seat.lag = seat.room.fallBehind(connection.id);
    }
    if (hasLag(seats)) this.#behind.add(connection);
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

  /** Room by room, as long as the client reads; returns about how many frames were written. */
  #putBack(connection: RoomMember): number {
    const now = performance.now();
    const seats = this.#seats.get(connection);
    if (seats === undefined) return 0;
    let frames = 0;
    for (const seat of seats.values()) {
      if (seat.lag === undefined || now - seat.toldAt < TELL_EVERY_MS) continue;
      if (connection.bufferedBytes > this.#options.maxBytes / 2) break;
      frames += this.#return(connection, seat, seat.lag, now);
      if (!connection.open) return frames;
    }
    if (!hasLag(seats)) this.#behind.delete(connection);
    return frames;
  }

  #return(connection: RoomMember, seat: Seat, lag: Lag, now: number): number {
    const { room } = seat;
    // First: what waits for the others is sent within, and counts as missed here.
    connection.enterRoom(room.name);
    if (!connection.open) return 0;
    // A handler that was called within may have had it leave.
    if (seat.lag !== lag) {
      connection.leaveRoom(room.name);
      return 0;
    }
    const { kept, missed, isWhole } = room.absenceOf(connection.id, lag);
    this.#leftOut[room.policy] += missed;
    seat.lag = undefined;
    room.caughtUp(connection.id);
    // In the same turn: nothing of the room comes before it.
    if (missed > 0 || lag.lost !== 0) {
      seat.toldAt = now;
      connection.send(gapFrame(room.name, missed, lag, isWhole));
    }
    for (const frame of kept) connection.send(frame);
    return 1 + kept.length;
  }

  /** A member leaves while it is behind; returns how many messages it did not get. */
  #end(connection: RoomMember, seat: Seat, lag: Lag): number {
    const { room } = seat;
    const missed = room.leftOutOf(lag);
    this.#leftOut[room.policy] += missed;
    seat.lag = undefined;
    room.caughtUp(connection.id);
    return missed;
  }
}

function hasLag(seats: Seats): boolean {
  for (const { lag } of seats.values()) if (lag !== undefined) return true;
  return false;
}

/** `reason` says where the messages are only where none was lost before this server. */
function gapFrame(room: string, missed: number, { lost }: Lag, isWhole: boolean): string {
  const reason = isWhole ? "conflated" : "slow-reader";
  return encodeServerFrame({
    type: "gap",
    room,
    ...(lost === undefined ? {} : { missed: missed + lost }),
    ...(lost === 0 ? { reason } : {}),
  });
}
