import { randomInt } from "node:crypto";
import type { History, HistoryDraft, HistoryPosition, HistorySlice, StampedDraft } from "@cm/protocol";
import { HISTORY_LIMIT_MAX, HISTORY_SLICE_MAX_BYTES, requireHistoryLimit } from "@cm/protocol/store";
import { MESSAGE_BYTES_MAX, tooLarge } from "../bus/message-limit.js";
import type { Publisher } from "../bus/publisher.js";
import type { Commands } from "../commands/redis-commands.js";
import { positionTtlMs } from "../keys/key-lifetimes.js";
import type { Keys } from "../keys/key-names.js";
import { type HistoryKeys, historyAppend, historyRestart, historySince } from "./history-scripts.js";

/** Dependencies and settings of the history. */
export interface RedisHistoryParts {
  readonly commands: Commands;
  readonly publisher: Publisher;
  readonly keys: Keys;
  readonly publishCommand: string;
  readonly historyMaxMessages: number;
  readonly historyTtlMs: number;
}

const EPOCH_MAX = 2 ** 32 - 1;

/** Maximum number of rooms that are cached, about 300 bytes each. The least recently used one is dropped first. */
const ROOMS_MAX = 10_000;

/** Cached values of a room that messages were sent to. */
interface KnownRoom {
  readonly keys: HistoryKeys;
  readonly channel: string;
  /** The latest acknowledged message. A history that lacks it has lost writes. */
  latest: Acknowledged | undefined;
}

interface Acknowledged {
  /** The epoch of the history. */
  readonly epoch: number;
  readonly sender: HistoryDraft["sender"];
  readonly atMs: number;
}

const NOTHING_KNOWN = { epoch: 0, sequence: 0 };

/** A position that belongs to no history. */
const NOWHERE: HistoryPosition = { epoch: 0, offset: 0 };

/** Stores a room's history as a list of messages, and a hash with its epoch and latest offset. */
export class RedisHistory implements Omit<History, "link"> {
  readonly #parts: RedisHistoryParts;
  /**
   * Cached rooms that messages were sent to, the least recently used one first: hashing a name for each message costs
   * more than sending the message.
   */
  readonly #rooms = new Map<string, KnownRoom>();
  #epoch = randomInt(1, 2 ** 32);

  constructor(parts: RedisHistoryParts) {
    this.#parts = parts;
  }

  async append(room: string, { before, after, sender }: HistoryDraft): Promise<HistoryPosition> {
    const {
      publisher,
      keys: names,
      publishCommand,
      historyMaxMessages: maxMessages,
      historyTtlMs: ttlMs,
    } = this.#parts;
    const bytes = before.length + after.length;
    if (bytes > MESSAGE_BYTES_MAX) throw tooLarge(bytes);
    const known = this.#known(room);
    const { keys, channel } = known;
    const input = {
      ...keys,
      ...this.#beginning(),
      channel,
      before,
      after,
      sender: names.historySender(keys, sender.origin),
      senderEpoch: sender.epoch,
      sequence: sender.sequence,
      known: this.#latestOf(known, sender),
      maxMessages,
      ttlMs,
      publishCommand,
      isNew: false,
    };
    // The script is sent like a message, not like a command: without a connection, it fails at once.
    const position = await publisher.run(channel, historyAppend, {
      input,
      again: () => ({ ...input, isNew: true }),
      bytes,
    });
    known.latest = { epoch: position.epoch, sender, atMs: performance.now() };
    return position;
  }

  async since(room: string, from = NOWHERE, limit = HISTORY_LIMIT_MAX): Promise<HistorySlice> {
    requireHistoryLimit(limit);
    const { commands, keys } = this.#parts;
    const input = { ...keys.historyKeys(room), ...this.#beginning(), from, limit, maxBytes: HISTORY_SLICE_MAX_BYTES };
    return commands.runForBytes(historySince, input);
  }

  restart(room: string, reached: HistoryPosition, notice: StampedDraft): Promise<HistoryPosition> {
    const { commands, publishCommand } = this.#parts;
    const { keys, channel } = this.#known(room);
    return commands.run(historyRestart, {
      ...keys,
      ...this.#beginning(),
      ...notice,
      channel,
      reached,
      publishCommand,
    });
  }

  /**
   * Returns the epoch for a history that begins now, and how long its position is kept. A history that was
   * lost must not begin again under an epoch that it had before, so the epochs count up from a random one.
   */
  #beginning(): { readonly newEpoch: number; readonly positionTtlMs: number } {
    this.#epoch = (this.#epoch % EPOCH_MAX) + 1;
    return { newEpoch: this.#epoch, positionTtlMs: positionTtlMs(this.#parts) };
  }

  /**
   * Returns the sender's latest acknowledged number, and the epoch of the history that acknowledged it. Returns
   * zeros if none is known, or if the number is old enough to have expired in the history.
   */
  #latestOf({ latest }: KnownRoom, sender: HistoryDraft["sender"]): { epoch: number; sequence: number } {
    if (latest === undefined || latest.sender.origin !== sender.origin || latest.sender.epoch !== sender.epoch) {
      return NOTHING_KNOWN;
    }
    if (performance.now() - latest.atMs > this.#parts.historyTtlMs / 2) return NOTHING_KNOWN;
    return { epoch: latest.epoch, sequence: latest.sender.sequence };
  }

  #known(room: string): KnownRoom {
    const known = this.#rooms.get(room) ?? this.#create(room);
    // Set again, so that the room becomes the most recently used one.
    this.#rooms.delete(room);
    this.#rooms.set(room, known);
    if (this.#rooms.size > ROOMS_MAX) {
      const [oldest = room] = this.#rooms.keys();
      this.#rooms.delete(oldest);
    }
    return known;
  }

  #create(room: string): KnownRoom {
    const { keys } = this.#parts;
    const channel = keys.channel({ kind: "room", name: room });
    return { keys: keys.historyKeys(room), channel, latest: undefined };
  }
}
