import { FanOutRoom, Lane, type LaneReader, type RoomFrame, type RoomSockets } from "./lane.js";
import type { RoomWindow, RoomWindowRule } from "./room-window.js";

/** Options of {@link RoomFanOut}. */
export interface RoomFanOutOptions {
  readonly sockets: RoomSockets;
  readonly roomWindowMs: RoomWindow;
  /** The first rule whose prefix matches is used instead of `roomWindowMs`. */
  readonly roomWindows: readonly RoomWindowRule[];
  /** Maximum number of members in a lane. */
  readonly maxMembersPerTurn: number;
  /**
   * Number of bytes that the members of a room can certainly be sent at once. No lane of the room holds back more, so
   * that a member that leaves can be sent all of it.
   */
  readonly maxHeldBytes: (room: string) => number;
}

/**
 * Maximum number of frames in one write. uWebSockets.js writes the queue of a member in any case once it
 * contains this many frames.
 */
const WAITING_MAX_FRAMES = 32;

/** Maximum size of one write: the size of uWebSockets.js's write buffer. More bytes would take two writes. */
const WAITING_MAX_BYTES = 16 * 1024;

/**
 * Maximum size of the frames held back in a lane whose turn has not come, in bytes, and maximum number of frames:
 * enough for a few seconds in which a room gets somewhat more than can be written to its members.
 */
const BACKLOG_MAX_BYTES = 1024 * 1024;
const BACKLOG_MAX_FRAMES = 1_024;

/**
 * Maximum size of the frames held back in all lanes, in bytes. A frame counts once for each lane, although the lanes
 * of a room share its memory.
 */
const ALL_MAX_BYTES = 64 * 1024 * 1024;

/**
 * Number of bytes, counting each copy, after which a turn writes no further frame. The kernel copies about 1 GB/s, and
 * a quarter of that where its memory is not in use yet, so such a turn takes 4 to 16 ms.
 */
const TURN_MAX_BYTES = 4 * 1024 * 1024;

/** Rooms without messages for this time, in milliseconds, may be forgotten once there are `ROOMS_MIN` rooms. */
const FORGET_AFTER_MS = 1_000;

const ROOMS_MIN = 256;

/**
 * Decides when a room's messages are written to its members: at once, or together with those that follow within
 * the room's window; in a large room lane by lane, with other work in between. Each member gets the messages in
 * the order of the calls, and exactly those that were sent while it was a member: a lane is flushed before a
 * connection enters or leaves it.
 */
export class RoomFanOut {
  readonly #options: RoomFanOutOptions;
  readonly #rooms = new Map<string, FanOutRoom>();
  /** Lanes that wait for the end of their window. */
  #waiting: Lane[] = [];
  /** Lanes that are to be sent to next. */
  #queue: Lane[] = [];
  #bytes = 0;
  #forgetAt = ROOMS_MIN;
  #timer: NodeJS.Timeout | undefined;
  #turn: NodeJS.Immediate | undefined;
  #isSending = false;

  constructor(options: RoomFanOutOptions) {
    this.#options = options;
  }

  /** Whether any frames are held back. */
  get holds(): boolean {
    return this.#bytes > 0;
  }

  /** Size in memory of the frames that are held back, in bytes. A frame counts once for each lane. */
  get heldBytes(): number {
    return this.#bytes;
  }

  /** Whether a room's messages are being written. */
  get isSending(): boolean {
    return this.#isSending;
  }

  /**
   * Sends a frame to every member of the room except those in `except`. The bytes are copied if they are held
   * back.
   */
  toRoom(name: string, bytes: Uint8Array, except: readonly string[]): void {
    const known = this.#rooms.get(name);
    if (known === undefined && this.#options.sockets.members(name, 0) === 0) return;
    const room = known ?? this.#add(name);
    const now = performance.now();
    const windowMs = room.windowMs === "auto" ? room.rate.count(now) : room.windowMs;
    const [only] = room.lanes;
    if (only !== undefined && room.lanes.length === 1 && only.state === "idle" && now - only.sentAt >= windowMs) {
      this.#send(only, [{ bytes, except }], now);
      // Send the frames that were added meanwhile, by the handler of a connection that the write closed.
      this.#empty(only);
      return;
    }
    const frame = { bytes: Buffer.from(bytes), except };
    // Add the frame to all lanes before anything is written: a write may close a connection whose handler sends to the
    // room or adds a lane to it.
    const lanes = [...room.lanes];
    for (const lane of lanes) this.#bytes += lane.hold(frame);
    const maxBytes = Math.min(BACKLOG_MAX_BYTES, this.#options.maxHeldBytes(name));
    for (const lane of lanes) this.#schedule(lane, now, windowMs, maxBytes);
    if (this.#bytes > ALL_MAX_BYTES) this.#relieve();
    if (this.#turn === undefined && this.#queue.length > 0) this.#takeTurn();
  }

  /**
   * Sends the held-back frames of the lane that the next member has to enter, and returns that lane. Adds a lane if all
   * lanes of the room are full, are being sent to, or hold back more than one turn may write.
   */
  laneToEnter(name: string): number {
    for (;;) {
      const index = this.#chooseLane(name);
      const lane = this.#rooms.get(name)?.lanes[index];
      if (lane === undefined || lane.frames.length === 0) return index;
      this.#empty(lane);
      // The lane is removed if the connections in it have closed; choose another one then.
      if (this.#rooms.get(name)?.lanes[index] === lane) return index;
    }
  }

  #chooseLane(name: string): number {
    const { sockets, maxMembersPerTurn } = this.#options;
    const lanes = this.#rooms.get(name)?.lanes;
    for (let index = 0; index < (lanes?.length ?? 1); index++) {
      const lane = lanes?.[index];
      if (lane?.state === "sending") continue;
      const members = sockets.members(name, index);
      if (members < maxMembersPerTurn && (lane?.bytes ?? 0) * members <= TURN_MAX_BYTES) return index;
    }
    const room = this.#rooms.get(name) ?? this.#add(name);
    const index = room.lanes.length;
    room.lanes.push(new Lane(room, index));
    return index;
  }

  /** Number of the room's lanes: 1 unless the room has more members than one lane holds. */
  lanesOf(name: string): number {
    return this.#rooms.get(name)?.lanes.length ?? 1;
  }

  /**
   * Sends the held-back frames of a lane at least to the member that is about to leave it: to all members, unless that
   * is more than one turn may write.
   */
  flushFor(leaver: LaneReader, name: string, index: number): void {
    if (this.#bytes === 0) return;
    const lane = this.#rooms.get(name)?.lanes[index];
    // A member that leaves while its lane is being sent to may not have got those frames, so it gets no later ones.
    if (lane === undefined || lane.state === "sending") return;
    if (lane.bytes * this.#options.sockets.members(name, index) <= TURN_MAX_BYTES) {
      this.#empty(lane);
      return;
    }
    this.#sending(lane, () => {
      for (const { bytes, except } of lane.frames) if (!except.includes(leaver.id)) leaver.send(bytes);
    });
    this.#enqueue(lane);
    this.#takeTurnLater();
  }

  /**
   * Must be called after a member has left a lane, possibly in a later turn. If the lane is empty then, does the
   * same as {@link emptied}.
   */
  left(name: string, lane: number): void {
    if (this.#rooms.has(name) && this.#options.sockets.members(name, lane) === 0) this.emptied(name, lane);
  }

  /**
   * Must be called when the last member of a lane has left or is leaving. Removes the room's lanes from the last
   * one on until one has members, and the room if no lane is left.
   */
  emptied(name: string, emptyLane: number): void {
    const room = this.#rooms.get(name);
    if (room === undefined) return;
    const { sockets } = this.#options;
    const { lanes } = room;
    for (;;) {
      const last = lanes.at(-1);
      // Keep a lane that is being sent to. It may only seem to be empty, because members that are excluded from
      // a message leave the lane while the message is sent.
      if (last === undefined || last.state === "sending") return;
      if (last.index !== emptyLane && sockets.members(name, last.index) > 0) return;
      this.#drop(last);
      if (last.index === 0) break;
      lanes.pop();
    }
    this.#rooms.delete(name);
  }

  /** Number of rooms whose first lane is empty while another lane is not. */
  roomsWithoutFirstLane(): number {
    const { sockets } = this.#options;
    let count = 0;
    for (const { name, lanes } of this.#rooms.values()) {
      if (lanes.length === 1 || sockets.members(name, 0) > 0) continue;
      if (lanes.some(({ index }) => sockets.members(name, index) > 0)) count++;
    }
    return count;
  }

  /** Discards the held-back frames, and stops all timers. */
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

  /** Decides when the frames of a lane are sent, to which one was just added. */
  #schedule(lane: Lane, now: number, windowMs: number, maxBytes: number): void {
    // Frames that arrive while the lane is being sent to are sent after that. The lane may also have been sent to
    // meanwhile.
    if (lane.state === "sending" || lane.frames.length === 0) return;
    const isFull = lane.bytes >= WAITING_MAX_BYTES || lane.frames.length >= WAITING_MAX_FRAMES;
    // A lane that is in the queue may hold back much, from when the room had several.
    const isAlone = lane.room.lanes.length === 1 && lane.state !== "queued";
    if (isFull && isAlone) {
      this.#sendOldest(lane);
    } else if (lane.bytes >= maxBytes || lane.frames.length >= BACKLOG_MAX_FRAMES) {
      // The room gets messages faster than they can be written to its members. Write the oldest ones now, so that
      // the sender waits.
      do this.#sendOldest(lane);
      while (lane.state === "queued" && lane.bytes >= maxBytes);
    } else if (isFull || now - lane.sentAt >= windowMs) {
      this.#enqueue(lane);
    } else if (lane.state === "idle") {
      lane.state = "waiting";
      this.#waiting.push(lane);
      this.#timer ??= setTimeout(this.#onWindowEnd, Math.max(1, lane.sentAt + windowMs - now));
    }
  }

  /**
   * Sends to all waiting lanes together, even if the window of some began later: a member of several rooms gets
   * one write.
   */
  readonly #onWindowEnd = (): void => {
    this.#timer = undefined;
    this.#enqueueWaiting();
    if (this.#turn === undefined) this.#takeTurn();
  };

  #enqueueWaiting(): void {
    const due = this.#waiting;
    this.#waiting = [];
    for (const lane of due) if (lane.state === "waiting") this.#enqueue(lane);
  }

  #enqueue(lane: Lane): void {
    lane.state = "queued";
    if (lane.isListed) return;
    lane.isListed = true;
    this.#queue.push(lane);
  }

  /** Sends the oldest frames of all lanes in turn, until the frames of all lanes are within their limit. */
  #relieve(): void {
    this.#enqueueWaiting();
    for (let sent = true; sent; ) {
      sent = false;
      for (const lane of [...this.#queue]) {
        if (this.#bytes <= ALL_MAX_BYTES) return;
        if (lane.state !== "queued") continue;
        this.#sendOldest(lane);
        sent = true;
      }
    }
  }

  /**
   * Sends to queued lanes until `maxMembersPerTurn` members or {@link TURN_MAX_BYTES} are reached. The remaining lanes
   * and frames wait for the next turn.
   */
  #takeTurn(): void {
    // Wait for the next turn if a lane is being written to. That happens if the write closed a connection whose
    // handler then sent something.
    if (this.#isSending) {
      this.#takeTurnLater();
      return;
    }
    const { sockets, maxMembersPerTurn } = this.#options;
    let members = 0;
    let bytes = 0;
    let taken = 0;
    for (const lane of this.#queue) {
      if (members >= maxMembersPerTurn || bytes >= TURN_MAX_BYTES) break;
      taken++;
      lane.isListed = false;
      if (lane.state !== "queued") continue;
      members += sockets.members(lane.room.name, lane.index);
      bytes += this.#sendOldest(lane, TURN_MAX_BYTES - bytes);
    }
    this.#queue.splice(0, taken);
    if (this.#queue.length > 0) this.#takeTurnLater();
  }

  /**
   * Continues in the next turn, after the data that arrives over the network until then has been handled.
   */
  #takeTurnLater(): void {
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined;
      this.#takeTurn();
    });
  }

  /** Sends all frames of a lane, and those that are added meanwhile. */
  #empty(lane: Lane): void {
    if (lane.state === "sending") return;
    while (lane.frames.length > 0) {
      this.#bytes -= lane.bytes;
      this.#send(lane, lane.takeAll(), performance.now());
    }
  }

  /**
   * Sends the oldest frames of a lane, at most `maxBytes` counting each copy but at least one frame, and puts the lane
   * into the queue if some are left. Returns the number of bytes that were written, counting each copy.
   */
  #sendOldest(lane: Lane, maxBytes = TURN_MAX_BYTES): number {
    if (lane.state === "sending") return 0;
    const members = this.#options.sockets.members(lane.room.name, lane.index);
    const before = lane.bytes;
    const oldest = lane.takeOldest(maxBytes / members);
    const bytes = before - lane.bytes;
    this.#bytes -= bytes;
    this.#send(lane, oldest, performance.now());
    if (lane.frames.length > 0) this.#enqueue(lane);
    return bytes * members;
  }

  #send(lane: Lane, frames: readonly RoomFrame[], now: number): void {
    lane.sentAt = now;
    this.#sending(lane, () => this.#options.sockets.publish(lane.room.name, lane.index, frames));
    // Remove the lane if the write closed its last connection.
    if (lane.index > 0 && lane.frames.length === 0 && this.#options.sockets.members(lane.room.name, lane.index) === 0) {
      this.emptied(lane.room.name, lane.index);
    }
  }

  /** Calls a function that writes to members of a lane. Leaves the lane idle. */
  #sending(lane: Lane, write: () => void): void {
    const wasSending = this.#isSending;
    lane.state = "sending";
    this.#isSending = true;
    try {
      write();
    } finally {
      lane.state = "idle";
      this.#isSending = wasSending;
    }
  }

  #drop(lane: Lane): void {
    this.#bytes -= lane.bytes;
    lane.takeAll();
    lane.state = "idle";
  }

  #add(name: string): FanOutRoom {
    if (this.#rooms.size >= this.#forgetAt) this.#forget();
    const { roomWindowMs, roomWindows } = this.#options;
    const rule = roomWindows.find(({ prefix }) => name.startsWith(prefix));
    const room = new FanOutRoom(name, rule?.windowMs ?? roomWindowMs);
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
