import { RoomRate, type RoomWindow } from "./room-window.js";

/** A frame to a room. */
export interface RoomFrame {
  /** The bytes that the members get. */
  readonly bytes: Uint8Array;
  /** Ids of the connections that do not get the frame. */
  readonly except: readonly string[];
}

/**
 * The sockets of one transport. The members of a room are distributed over lanes, numbered from 0; each member
 * is in one of them.
 */
export interface RoomSockets {
  /** Number of members in a lane. */
  members(room: string, lane: number): number;
  /** Sends frames to the members of a lane, in order, if possible with one write per member. */
  publish(room: string, lane: number, frames: readonly RoomFrame[]): void;
}

/** A connection in a lane. */
export interface LaneReader {
  /** The connection's id, by which messages exclude it. */
  readonly id: string;
  /** Sends the connection a frame. The bytes are copied if they are needed later. */
  send(frame: Uint8Array): unknown;
}

/** Approximate memory of a held-back frame in addition to its own bytes, in bytes. */
const FRAME_OVERHEAD_BYTES = 64;

/** Members of a room that are written to together. */
export class Lane {
  readonly room: FanOutRoom;
  readonly index: number;
  /** The frames that are held back, in order. */
  frames: RoomFrame[] = [];
  bytes = 0;
  /** Time at which frames were last sent. */
  sentAt = Number.NEGATIVE_INFINITY;
  /** Whether the lane waits for the end of its window, is in the queue, or is being sent to. */
  state: "idle" | "waiting" | "queued" | "sending" = "idle";
  /** Whether the queue contains the lane. It may stay there after its frames were sent for another reason. */
  isListed = false;

  constructor(room: FanOutRoom, index: number) {
    this.room = room;
    this.index = index;
  }

  /** Adds a frame. Returns its size in memory, in bytes. */
  hold(frame: RoomFrame): number {
    const size = sizeOf(frame);
    this.frames.push(frame);
    this.bytes += size;
    return size;
  }

  /** Removes and returns all frames. */
  takeAll(): RoomFrame[] {
    const { frames } = this;
    this.frames = [];
    this.bytes = 0;
    return frames;
  }

  /** Removes and returns the oldest frames, in total at most `maxBytes`, but at least one. */
  takeOldest(maxBytes: number): RoomFrame[] {
    let bytes = 0;
    let count = 0;
    for (const frame of this.frames) {
      const size = sizeOf(frame);
      if (count > 0 && bytes + size > maxBytes) break;
      bytes += size;
      count++;
    }
    if (count === this.frames.length) return this.takeAll();
    this.bytes -= bytes;
    return this.frames.splice(0, count);
  }
}

/** A room with recent messages, or with several lanes. */
export class FanOutRoom {
  readonly name: string;
  readonly lanes: Lane[];
  readonly windowMs: RoomWindow;
  readonly rate = new RoomRate();

  constructor(name: string, windowMs: RoomWindow) {
    this.name = name;
    this.windowMs = windowMs;
    this.lanes = [new Lane(this, 0)];
  }
}

/** Memory of a held-back frame, in bytes. */
function sizeOf({ bytes }: RoomFrame): number {
  return bytes.byteLength + FRAME_OVERHEAD_BYTES;
}
