import {
  CmError,
  type HistoryDraft,
  type HistoryEntry,
  type HistoryPosition,
  type HistorySlice,
  historyStamp,
  type StampedDraft,
} from "@cm/protocol";
import type { ChannelTable } from "../bus/channel-table.js";
import { SenderRecord } from "./sender-record.js";

/** How much is kept of a room's messages. */
export interface HistoryLimits {
  readonly historyMaxMessages: number;
  /** Since the latest of them, in milliseconds. */
  readonly historyTtlMs: number;
}

/** How long a place is remembered without its messages: a day, as versions of feeds are. */
const PLACE_TTL_MS = 86_400_000;

/** The most rooms whose place is remembered; the longest silent are forgotten first. */
const ROOMS_MAX = 100_000;

/** More servers than any cluster has: bounds what a room keeps of those that are gone. */
const SENDERS_MAX = 1_000;

/** The most bytes of one answer, but for its first message. */
const SLICE_BYTES_MAX = 1_048_576;

/** The most messages of one answer; see the contract of `since`. */
const LIMIT_MAX = 1_000;

/** Belongs to no history. */
const NOWHERE: HistoryPosition = { epoch: 0, offset: 0 };

interface Stored extends HistoryEntry {
  readonly atMs: number;
}

interface RoomHistory {
  readonly epoch: number;
  readonly former: HistoryPosition | undefined;
  offset: number;
  entries: Stored[];
  readonly senders: Map<string, SenderRecord>;
  /** Until when the messages are kept, and the place. */
  keptUntilMs: number;
  knownUntilMs: number;
}

/** The latest messages of rooms. */
export class HistoryTable {
  readonly #channels: ChannelTable;
  readonly #now: () => number;
  /** The longest silent first. */
  readonly #rooms = new Map<string, RoomHistory>();

  constructor(channels: ChannelTable, now: () => number) {
    this.#channels = channels;
    this.#now = now;
  }

  /** Rooms of which something is remembered. */
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

  since(room: string, limits: HistoryLimits, from = NOWHERE, limit = LIMIT_MAX): HistorySlice {
    if (!Number.isInteger(limit) || limit < 1 || limit > LIMIT_MAX) {
      throw new CmError("options-invalid", `limit must be a whole number from 1 to ${LIMIT_MAX}.`, {
        details: { field: "limit" },
      });
    }
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
      if (entries.length > 0 && bytes > SLICE_BYTES_MAX) break;
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
    const isUndertold = former?.epoch === reached.epoch && former.offset < reached.offset;
    if (!isSetBack && !isUndertold) return { epoch, offset };
    // Announced with too low a former offset: the next offset here marks all readers of this history as behind.
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
      senders: new Map<string, SenderRecord>(),
      keptUntilMs: now,
      knownUntilMs: now + PLACE_TTL_MS,
    };
    this.#rooms.set(room, begun);
    return begun;
  }

  /** The room's history, the last to be forgotten from now on; begun where there is none. */
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
    history.knownUntilMs = now + Math.max(PLACE_TTL_MS, historyTtlMs);
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

  /** Forgets expired rooms and those beyond ROOMS_MAX: each touch looks at the few that were silent longest. */
  #forgetOldest(now: number): void {
    let looked = 0;
    for (const [room, history] of this.#rooms) {
      if (history.knownUntilMs <= now || this.#rooms.size > ROOMS_MAX) this.#rooms.delete(room);
      else if (looked++ >= 2) return;
    }
  }
}

/** What came of a sender; of too many, the one that was silent longest is forgotten. */
function recordOf(senders: Map<string, SenderRecord>, origin: string): SenderRecord {
  const record = senders.get(origin) ?? new SenderRecord();
  senders.delete(origin);
  senders.set(origin, record);
  const [silent] = senders.keys();
  if (senders.size > SENDERS_MAX && silent !== undefined) senders.delete(silent);
  return record;
}

/** Random: a history that was lost must not begin again under an epoch that it had. */
function newEpoch(): number {
  return (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) || 1;
}
