import { type HistoryPosition, historyStamp } from "@cm/protocol";
import { HISTORY_LIMIT_MAX, HISTORY_SLICE_MAX_BYTES, requireHistoryLimit } from "@cm/protocol/store";
import type { Channels } from "./channels.js";

/**
 * Maximum number of messages kept of a room, their maximum age, and the time until an unused room's position is
 * forgotten, both in milliseconds. See the contract of `History`.
 */
const MESSAGES_MAX = 1_000;
const MESSAGES_MS = 300_000;
const POSITION_MS = 86_400_000;

/** Maximum number of rooms whose position is remembered; the least recently used one is forgotten first. */
const ROOMS_MAX = 10_000;

/**
 * Maximum number of servers whose sequence numbers are remembered for a room, and how far below a server's highest
 * number a late message is still recognized as new.
 */
const SENDERS_MAX = 1_000;
const LATE_MAX = 64;

/** A draft as it comes over the wire: bytes are base64. */
export interface Draft {
  readonly before: string;
  readonly after: string;
}

/** The server that sends a draft, and the draft's number from that server's sequencer. */
interface Sender {
  readonly origin: string;
  readonly epoch: number;
  readonly sequence: number;
}

/** The messages after a position, as they go over the wire. */
export interface Slice {
  readonly top: HistoryPosition;
  readonly complete: boolean;
  readonly former: HistoryPosition | undefined;
  readonly entries: readonly { readonly offset: number; readonly message: string }[];
}

interface Room {
  readonly epoch: number;
  readonly former: HistoryPosition | undefined;
  offset: number;
  messages: { readonly offset: number; readonly message: Buffer; readonly atMs: number }[];
  readonly senders: Map<string, { readonly epoch: number; readonly came: Set<number>; highest: number }>;
  touchedAtMs: number;
  latestAtMs: number;
}

/** The latest messages of rooms. */
export class Histories {
  readonly #channels: Channels;
  readonly #now: () => number;
  /** By name, the least recently used one first. */
  readonly #rooms = new Map<string, Room>();

  constructor(channels: Channels, now: () => number) {
    this.#channels = channels;
    this.#now = now;
  }

  append(name: string, draft: Draft, sender: Sender): HistoryPosition {
    const room = this.#touch(name);
    if (isNew(room, sender)) {
      room.offset += 1;
      room.latestAtMs = this.#now();
      const message = stamped(draft, room);
      room.messages.push({ offset: room.offset, message, atMs: room.latestAtMs });
      this.#trim(room);
      this.#channels.publish(`room:${name}`, message.toString("base64"));
    }
    return positionOf(room);
  }

  since(name: string, from: HistoryPosition | undefined, limit = HISTORY_LIMIT_MAX): Slice {
    requireHistoryLimit(limit);
    const room = this.#touch(name);
    const { former } = room;
    const top = positionOf(room);
    if (from === undefined || from.epoch !== top.epoch || from.offset > top.offset) {
      return { top, complete: false, former, entries: [] };
    }
    const after = room.messages.filter(({ offset }) => offset > from.offset).slice(0, limit);
    const entries: { offset: number; message: string }[] = [];
    let bytes = 0;
    for (const { offset, message } of after) {
      bytes += message.length;
      if (entries.length > 0 && bytes > HISTORY_SLICE_MAX_BYTES) break;
      entries.push({ offset, message: message.toString("base64") });
    }
    const oldest = top.offset - room.messages.length + 1;
    return { top, complete: from.offset + 1 >= oldest, former, entries };
  }

  restart(name: string, reached: HistoryPosition, notice: Draft): HistoryPosition {
    const room = this.#touch(name);
    const { epoch, offset, former } = room;
    const isSetBack = epoch === reached.epoch && offset < reached.offset;
    const isPositionTooLow = former?.epoch === reached.epoch && former.offset < reached.offset;
    if (!isSetBack && !isPositionTooLow) return { epoch, offset };
    // In the second case, the former position is one that no reader of this history has reached, so that all
    // readers count as having missed messages.
    const anew = this.#begin(name, isSetBack ? reached : { epoch, offset: offset + 1 });
    this.#channels.publish(`room:${name}`, stamped(notice, anew).toString("base64"));
    return positionOf(anew);
  }

  /** Returns the room as the most recently used one. Begins a history if there is none. */
  #touch(name: string): Room {
    const now = this.#now();
    const known = this.#rooms.get(name);
    const room = known === undefined || known.touchedAtMs <= now - POSITION_MS ? this.#begin(name, undefined) : known;
    this.#rooms.delete(name);
    this.#rooms.set(name, room);
    room.touchedAtMs = now;
    if (room.latestAtMs <= now - MESSAGES_MS) {
      room.messages = [];
      room.senders.clear();
    }
    const [silent] = this.#rooms.keys();
    if (this.#rooms.size > ROOMS_MAX && silent !== undefined) this.#rooms.delete(silent);
    return room;
  }

  #begin(name: string, former: HistoryPosition | undefined): Room {
    const now = this.#now();
    // Random: a history that was lost must not begin again under an epoch that it had.
    const epoch = (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) || 1;
    const room: Room = {
      epoch,
      former,
      offset: 0,
      messages: [],
      senders: new Map(),
      touchedAtMs: now,
      latestAtMs: now,
    };
    this.#rooms.set(name, room);
    return room;
  }

  #trim(room: Room): void {
    const oldestMs = this.#now() - MESSAGES_MS;
    const { length } = room.messages;
    room.messages = room.messages.filter(({ atMs }, i) => atMs > oldestMs && i >= length - MESSAGES_MAX);
  }
}

function positionOf({ epoch, offset }: Room): HistoryPosition {
  return { epoch, offset };
}

function stamped({ before, after }: Draft, position: HistoryPosition): Buffer {
  return Buffer.concat([
    Buffer.from(before, "base64"),
    Buffer.from(historyStamp(position)),
    Buffer.from(after, "base64"),
  ]);
}

/**
 * Whether a draft comes for the first time. A number that is at least `LATE_MAX` below the highest one counts as a
 * repetition.
 */
function isNew({ senders }: Room, { origin, epoch, sequence }: Sender): boolean {
  const known = senders.get(origin);
  const sender = known?.epoch === epoch ? known : { epoch, came: new Set<number>(), highest: 0 };
  senders.delete(origin);
  senders.set(origin, sender);
  const [silent] = senders.keys();
  if (senders.size > SENDERS_MAX && silent !== undefined) senders.delete(silent);
  if (sequence <= sender.highest - LATE_MAX || sender.came.has(sequence)) return false;
  sender.came.add(sequence);
  sender.highest = Math.max(sender.highest, sequence);
  for (const each of sender.came) if (each <= sender.highest - LATE_MAX) sender.came.delete(each);
  return true;
}
