import { RoomRate, type RoomWindow } from "./room-window.js";

/** A frame to a room. */
export interface RoomFrame {
  /** The frame, as members get it. */
  readonly bytes: Uint8Array;
  /** Ids of connections that do not get it. */
  readonly except: readonly string[];
}

/**
 * The sockets of one transport. The members of a room are spread over lanes, numbered from 0;
 * a member is in one of them.
 */
export interface RoomSockets {
  /** Members of a lane. */
  members(room: string, lane: number): number;
  /** Sends frames to the members of a lane, in order, and each member's in one write where it can be. */
  publish(room: string, lane: number, frames: readonly RoomFrame[]): void;
}

/** What {@link RoomFanOut} needs. */
export interface RoomFanOutOptions {
  readonly sockets: RoomSockets;
  readonly roomWindowMs: RoomWindow;
  /** The size of a lane. */
  readonly maxMembersPerTurn: number;
}

/** As many frames leave in one write at most: uWebSockets.js empties a member's queue there. */
const WAITING_MAX_FRAMES = 32;

/** The size of the buffer from which uWebSockets.js writes: more would take two writes. */
const WAITING_MAX_BYTES = 16 * 1024;

/** What may wait in a lane whose turn has not come, in bytes, and in frames of any size. */
const BACKLOG_MAX_BYTES = 256 * 1024;
const BACKLOG_MAX_FRAMES = 1_024;

/** What may wait in all lanes, in bytes; a frame counts in each lane. */
const ALL_MAX_BYTES = 16 * 1024 * 1024;

/** Rooms that sent nothing for this long, in milliseconds, are forgotten when there are many. */
const FORGET_AFTER_MS = 1_000;

const ROOMS_MIN = 256;

/** What a frame that waits costs beside its bytes, about. */
const FRAME_OVERHEAD_BYTES = 64;

/** Members of a room that are written to at once. */
class Lane {
  readonly room: Room;
  readonly index: number;
  /** What waits, in order. */
  frames: RoomFrame[] = [];
  bytes = 0;
  /** When the latest frames left. */
  sentAt = Number.NEGATIVE_INFINITY;
  /** Whether its turn is coming, by the timer or in the queue. */
  state: "idle" | "waiting" | "queued" | "sending" = "idle";

  constructor(room: Room, index: number) {
    this.room = room;
    this.index = index;
  }
}

/** A room that sent something of late, or that has several lanes. */
class Room {
  readonly name: string;
  readonly lanes: Lane[];
  readonly rate = new RoomRate();

  constructor(name: string) {
    this.name = name;
    this.lanes = [new Lane(this, 0)];
  }
}

/**
 * Decides when a room's messages are written to its members: at once, or together with those that
 * follow within the room's window; and in a large room lane by lane, with other work in
 * between. Each member gets the messages in the order of the calls, and those that were sent while
 * it was a member: a lane is emptied before a connection enters or leaves it.
 */
export class RoomFanOut {
  readonly #options: RoomFanOutOptions;
  readonly #rooms = new Map<string, Room>();
  /** Lanes that wait for the end of their windows. */
  #waiting: Lane[] = [];
  /** Lanes whose turn it is. */
  #queue: Lane[] = [];
  #bytes = 0;
  #forgetAt = ROOMS_MIN;
  #timer: NodeJS.Timeout | undefined;
  #turn: NodeJS.Immediate | undefined;
  #isSending = false;

  constructor(options: RoomFanOutOptions) {
    this.#options = options;
  }

  /** Whether anything waits. */
  get holds(): boolean {
    return this.#bytes > 0;
  }

  /** Whether a room's messages are being written. */
  get isSending(): boolean {
    return this.#isSending;
  }

  /** To every member of the room but the excepted ones. The bytes are copied where they have to wait. */
  toRoom(name: string, bytes: Uint8Array, except: readonly string[]): void {
    const known = this.#rooms.get(name);
    if (known === undefined && this.#options.sockets.members(name, 0) === 0) return;
    const room = known ?? this.#add(name);
    const now = performance.now();
    const windowMs = this.#windowOf(room, now);
    const [only] = room.lanes;
    if (only !== undefined && room.lanes.length === 1 && only.state === "idle" && now - only.sentAt >= windowMs) {
      this.#send(only, [{ bytes, except }], now);
      return;
    }
    const frame = { bytes: Buffer.from(bytes), except };
    for (const lane of room.lanes) this.#hold(lane, frame, now, windowMs);
    if (this.#bytes > ALL_MAX_BYTES) this.flushAll();
    else if (this.#turn === undefined && this.#queue.length > 0) this.#takeTurn();
  }

  /** The lane that the next member enters. */
  laneToEnter(name: string): number {
    const { sockets, maxMembersPerTurn } = this.#options;
    const lanes = this.lanesOf(name);
    for (let lane = 0; lane < lanes; lane++) if (sockets.members(name, lane) < maxMembersPerTurn) return lane;
    const room = this.#rooms.get(name) ?? this.#add(name);
    room.lanes.push(new Lane(room, lanes));
    return lanes;
  }

  /** How many lanes the room has: 1 unless it is large. */
  lanesOf(name: string): number {
    return this.#rooms.get(name)?.lanes.length ?? 1;
  }

  /** Sends what waits in a lane: a connection is about to enter or to leave it. */
  flush(name: string, index: number): void {
    if (this.#bytes === 0) return;
    const lane = this.#rooms.get(name)?.lanes[index];
    if (lane !== undefined) this.#empty(lane);
  }

  /** Sends all that waits. */
  flushAll(): void {
    for (const { lanes } of [...this.#rooms.values()]) for (const lane of [...lanes]) this.#empty(lane);
  }

  /** A member has left a lane, which may be empty now, or may have been entered again since. */
  left(name: string, lane: number): void {
    if (this.#rooms.has(name) && this.#options.sockets.members(name, lane) === 0) this.emptied(name, lane);
  }

  /** A lane of the room has lost its last member, or loses it now. */
  emptied(name: string, emptyLane: number): void {
    const room = this.#rooms.get(name);
    if (room === undefined) return;
    const { sockets } = this.#options;
    const { lanes } = room;
    for (;;) {
      const last = lanes.at(-1);
      // Those that are left out of a message leave their lane while it is sent.
      if (last === undefined || last.state === "sending") return;
      if (last.index !== emptyLane && sockets.members(name, last.index) > 0) return;
      this.#drop(last);
      if (last.index === 0) break;
      lanes.pop();
    }
    this.#rooms.delete(name);
  }

  /** Rooms whose first lane is empty while another is not. */
  roomsWithoutFirstLane(): number {
    const { sockets } = this.#options;
    let count = 0;
    for (const { name, lanes } of this.#rooms.values()) {
      if (lanes.length === 1 || sockets.members(name, 0) > 0) continue;
      if (lanes.some(({ index }) => sockets.members(name, index) > 0)) count++;
    }
    return count;
  }

  /** Drops what waits, and stops all timers. */
  stop(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#turn);
    this.#timer = undefined;
    this.#turn = undefined;
    this.#waiting = [];
    this.#queue = [];
    this.#rooms.clear();
    this.#bytes = 0;
  }

  #windowOf(room: Room, now: number): number {
    const { roomWindowMs } = this.#options;
    return roomWindowMs === "auto" ? room.rate.count(now) : roomWindowMs;
  }

  #hold(lane: Lane, frame: RoomFrame, now: number, windowMs: number): void {
    lane.frames.push(frame);
    const size = frame.bytes.byteLength + FRAME_OVERHEAD_BYTES;
    lane.bytes += size;
    this.#bytes += size;
    // What comes while its messages leave goes behind them.
    if (lane.state === "sending") return;
    const isFull = lane.bytes >= WAITING_MAX_BYTES || lane.frames.length >= WAITING_MAX_FRAMES;
    const isOneOfMany = lane.room.lanes.length > 1;
    if (isFull && !isOneOfMany) {
      this.#empty(lane);
    } else if (lane.bytes >= BACKLOG_MAX_BYTES || lane.frames.length >= BACKLOG_MAX_FRAMES) {
      // The room sends faster than its members can be written to: the sender waits for the writes.
      this.#empty(lane);
    } else if (lane.state !== "queued" && (isFull || now - lane.sentAt >= windowMs)) {
      lane.state = "queued";
      this.#queue.push(lane);
    } else if (lane.state === "idle") {
      lane.state = "waiting";
      this.#waiting.push(lane);
      this.#timer ??= setTimeout(this.#onWindowEnd, Math.max(1, lane.sentAt + windowMs - now));
    }
  }

  /** All that waits leaves together, also where its window began later: a member of several rooms gets one write. */
  readonly #onWindowEnd = (): void => {
    this.#timer = undefined;
    const due = this.#waiting;
    this.#waiting = [];
    for (const lane of due) {
      if (lane.state !== "waiting") continue;
      lane.state = "queued";
      this.#queue.push(lane);
    }
    if (this.#turn === undefined) this.#takeTurn();
  };

  /** Sends to lanes until `maxMembersPerTurn` members were written to; the others wait for the next turn. */
  #takeTurn(): void {
    // A connection that was closed while a lane was written to had something to say.
    if (this.#isSending) {
      this.#takeTurnLater();
      return;
    }
    const { sockets, maxMembersPerTurn } = this.#options;
    let members = 0;
    let taken = 0;
    for (const lane of this.#queue) {
      if (members >= maxMembersPerTurn) break;
      taken++;
      if (lane.state !== "queued") continue;
      members += sockets.members(lane.room.name, lane.index);
      this.#empty(lane);
    }
    this.#queue.splice(0, taken);
    if (this.#queue.length > 0) this.#takeTurnLater();
  }

  /** Behind what came in over the network meanwhile. */
  #takeTurnLater(): void {
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined;
      this.#takeTurn();
    });
  }

  #empty(lane: Lane): void {
    if (lane.state === "sending" || lane.frames.length === 0) return;
    const { frames } = lane;
    lane.frames = [];
    this.#bytes -= lane.bytes;
    lane.bytes = 0;
    this.#send(lane, frames, performance.now());
  }

  #send(lane: Lane, frames: readonly RoomFrame[], now: number): void {
    const wasSending = this.#isSending;
    lane.sentAt = now;
    lane.state = "sending";
    this.#isSending = true;
    try {
      this.#options.sockets.publish(lane.room.name, lane.index, frames);
    } finally {
      lane.state = "idle";
      this.#isSending = wasSending;
    }
    // A connection that was closed meanwhile had something to say to the room.
    if (lane.frames.length > 0) this.#empty(lane);
    // It may have been the last one of its lane.
    else if (lane.index > 0 && this.#options.sockets.members(lane.room.name, lane.index) === 0) {
      this.emptied(lane.room.name, lane.index);
    }
  }

  #drop(lane: Lane): void {
    lane.frames = [];
    this.#bytes -= lane.bytes;
    lane.bytes = 0;
    lane.state = "idle";
  }

  #add(name: string): Room {
    if (this.#rooms.size >= this.#forgetAt) this.#forget();
    const room = new Room(name);
    this.#rooms.set(name, room);
    return room;
  }

  #forget(): void {
    const before = performance.now() - FORGET_AFTER_MS;
    for (const [name, { lanes }] of this.#rooms) {
      const [only] = lanes;
      if (lanes.length === 1 && only?.state === "idle" && only.sentAt < before) this.#rooms.delete(name);
    }
    this.#forgetAt = Math.max(ROOMS_MIN, 2 * this.#rooms.size);
  }
}
