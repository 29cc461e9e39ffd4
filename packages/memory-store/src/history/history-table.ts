import {
  type HistoryDraft,
  type HistoryEntry,
  type HistoryPosition,
  type HistorySlice,
  historyStamp,
  type StampedDraft,
} from "@cm/protocol";
import { HISTORY_LIMIT_MAX, HISTORY_SLICE_MAX_BYTES, requireHistoryLimit } from "@cm/protocol/store";
import type { ChannelTable } from "../bus/channel-table.js";
import { ReceivedNumbers } from "./received-numbers.js";

/** Limits for the messages kept per room. */
export interface HistoryLimits {
  readonly historyMaxMessages: number;
  /**
   * How long messages are kept, in milliseconds. `append` removes older ones; without it, all are kept until
   * the latest one is this old.
   */
  readonly historyTtlMs: number;
}

/** How long a position is kept after its last use, in milliseconds (one day), unless messages are kept longer. */
const POSITION_TTL_MS = 86_400_000;

/**
 * Maximum number of rooms whose position is kept; the rooms that were used least recently are removed first.
 */
const ROOMS_MAX = 100_000;

/**
 * Maximum number of senders per room, more than any cluster has servers. This bounds the records of servers
 * that have gone.
 */
const SENDERS_MAX = 1_000;

/** A position that belongs to no history. */
const NOWHERE: HistoryPosition = { epoch: 0, offset: 0 };

interface Stored extends HistoryEntry {
  readonly atMs: number;
}

interface RoomHistory {
  readonly epoch: number;
  readonly former: HistoryPosition | undefined;
  offset: number;
  entries: Stored[];
  readonly senders: Map<string, ReceivedNumbers>;
  /** Until when the messages are kept (`keptUntilMs`) and the position (`knownUntilMs`). */
  keptUntilMs: number;
  knownUntilMs: number;
}

/** The latest messages of rooms, and their positions. */
export class HistoryTable {
  readonly #channels: ChannelTable;
  readonly #now: () => number;
  /** Histories by room; the room that was used least recently comes first. */
  readonly #rooms = new Map<string, RoomHistory>();

  constructor(channels: ChannelTable, now: () => number) {
    this.#channels = channels;
    this.#now = now;
  }

  /** Number of rooms with a history or position. */
  get size(): number {
    return this.#rooms.size;
  }

  append(room: string, { before, after, sender }: HistoryDraft, limits: HistoryLimits): HistoryPosition {
    const now = this.#now();
    const history = this.#touched(room, limits);
    if (recordOf(history.senders, sender.origin).take(sender)) {
      history.offset++;
      const stamp = Buffer.from(historyStamp(history));
      const message = Buffer.concat([before, stamp, after]);
      history.entries.push({ offset: history.offset, message, atMs: now });
      history.keptUntilMs = now + limits.historyTtlMs;
      this.#trim(history, now, limits);
      this.#channels.publish({ kind: "room", name: room }, message);
    }
    return { epoch: history.epoch, offset: history.offset };
  }

  since(room: string, limits: HistoryLimits, from = NOWHERE, limit = HISTORY_LIMIT_MAX): HistorySlice {
    requireHistoryLimit(limit);
    const history = this.#touched(room, limits);
    const { former } = history;
    const top = { epoch: history.epoch, offset: history.offset };
    if (from.epoch !== top.epoch || from.offset > top.offset) return { top, complete: false, former, entries: [] };
    const oldest = top.offset - history.entries.length + 1;
    const start = Math.max(from.offset + 1, oldest) - oldest;
    let bytes = 0;
    const entries: HistoryEntry[] = [];
    for (const { offset, message } of history.entries.slice(start, start + limit)) {
      bytes += message.length;
      if (entries.length > 0 && bytes > HISTORY_SLICE_MAX_BYTES) break;
      entries.push({ offset, message });
    }
    return { top, complete: from.offset + 1 >= oldest, former, entries };
  }

  restart(
    room: string,
    reached: HistoryPosition,
    { before, after }: StampedDraft,
    limits: HistoryLimits,
  ): HistoryPosition {
    const { epoch, offset, former } = this.#touched(room, limits);
    const isSetBack = epoch === reached.epoch && offset < reached.offset;
    const isPositionTooLow = former?.epoch === reached.epoch && former.offset < reached.offset;
    if (!isSetBack && !isPositionTooLow) return { epoch, offset };
    // If the current history was begun with too low a former offset, the new history gets the current one's next
    // offset as its former offset. No reader has reached that offset, so all count as having missed messages.
    const begun = this.#begin(room, isSetBack ? reached : { epoch, offset: offset + 1 });
    const stamp = Buffer.from(historyStamp(begun));
    this.#channels.publish({ kind: "room", name: room }, Buffer.concat([before, stamp, after]));
    return { epoch: begun.epoch, offset: 0 };
  }

  #begin(room: string, former: HistoryPosition | undefined): RoomHistory {
    const now = this.#now();
    const begun = {
      epoch: newEpoch(),
      former,
      offset: 0,
      entries: [],
      senders: new Map<string, ReceivedNumbers>(),
      keptUntilMs: now,
      knownUntilMs: now + POSITION_TTL_MS,
    };
    this.#rooms.set(room, begun);
    return begun;
  }

  /**
   * Returns the room's history and moves it to the end of the order of removal. Begins a history if there is
   * none.
   */
  #touched(room: string, { historyTtlMs }: HistoryLimits): RoomHistory {
    const now = this.#now();
    let history = this.#rooms.get(room);
    this.#rooms.delete(room);
    if (history === undefined || history.knownUntilMs <= now) {
      history = this.#begin(room, undefined);
    }
    if (history.keptUntilMs <= now) {
      history.entries = [];
      history.senders.clear();
    }
    history.knownUntilMs = now + Math.max(POSITION_TTL_MS, historyTtlMs);
    this.#rooms.set(room, history);
    this.#forgetOldest(now);
    return history;
  }

  #trim(history: RoomHistory, now: number, { historyMaxMessages, historyTtlMs }: HistoryLimits): void {
    const { entries } = history;
    let old = Math.max(0, entries.length - historyMaxMessages);
    while (old < entries.length && (entries[old]?.atMs ?? now) <= now - historyTtlMs) old++;
    if (old > 0) entries.splice(0, old);
  }

  /**
   * Removes expired rooms and those beyond ROOMS_MAX. Each use of a room checks only the few rooms that were
   * used least recently.
   */
  #forgetOldest(now: number): void {
    let looked = 0;
    for (const [room, history] of this.#rooms) {
      if (history.knownUntilMs <= now || this.#rooms.size > ROOMS_MAX) this.#rooms.delete(room);
      else if (looked++ >= 2) return;
    }
  }
}

/**
 * Returns the record of a sender. If there are too many records, that of the sender that has sent nothing for
 * the longest time is removed.
 */
function recordOf(senders: Map<string, ReceivedNumbers>, origin: string): ReceivedNumbers {
  const record = senders.get(origin) ?? new ReceivedNumbers();
  senders.delete(origin);
  senders.set(origin, record);
  const [silent] = senders.keys();
  if (senders.size > SENDERS_MAX && silent !== undefined) senders.delete(silent);
  return record;
}

/**
 * Returns a random epoch, because a history that was lost must not begin again under an epoch that it had
 * before.
 */
function newEpoch(): number {
  return (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) || 1;
}
