import { type AnnouncedMember, type DepartureReason, encodeUtf8, type RosterChangeKind } from "@cm/protocol";
import type { ChannelTable } from "../bus/channel-table.js";
import { requireDuration } from "../servers/server-table.js";
import { changeText, nextVersion } from "../versions.js";

interface Feed {
  version: number;
  untilMs: number;
}

/** Below this many feeds it is not worth looking for those that ran out. */
const SWEEP_MIN = 64;

/** The rooms whose changes are announced, each until the time asked for. */
export class RosterFeeds {
  readonly #channels: ChannelTable;
  readonly #now: () => number;
  readonly #feeds = new Map<string, Feed>();
  /** The greatest version of all rooms: a feed that was forgotten must not go back. */
  #lastVersion = 0;
  #sweepAt = SWEEP_MIN;

  constructor(channels: ChannelTable, now: () => number) {
    this.#channels = channels;
    this.#now = now;
  }

  /** How many rooms are announced now. */
  get size(): number {
    return [...this.#feeds.keys()].filter((room) => this.#live(room) !== undefined).length;
  }

  /** How many rooms it knows of, those whose time ran out among them. */
  get kept(): number {
    return this.#feeds.size;
  }

  /** Has a room's changes announced for `ttlMs`; returns the version of its latest change. */
  want(room: string, ttlMs: number): number {
    requireDuration(ttlMs, "ttlMs");
    const untilMs = this.#now() + ttlMs;
    const live = this.#live(room);
    if (live !== undefined) {
      live.untilMs = Math.max(live.untilMs, untilMs);
      return live.version;
    }
    this.#sweep();
    const version = this.#nextVersion();
    this.#feeds.set(room, { version, untilMs });
    return version;
  }

  /** Announces changes of a room that has a live feed. */
  announce(room: string, kind: RosterChangeKind, members: readonly AnnouncedMember[], reason?: DepartureReason): void {
    const feed = this.#live(room);
    if (feed === undefined) return;
    const at = Math.floor(this.#now());
    for (const { userId, connectionId, metadata } of members) {
      const previous = feed.version;
      feed.version = this.#nextVersion();
      const fields = { kind, user: userId, connection: connectionId, version: feed.version, previous, at, reason };
      const text = changeText(fields, kind === "left" ? undefined : metadata);
      this.#channels.publish({ kind: "roster", name: room }, encodeUtf8(text));
    }
  }

  #live(room: string): Feed | undefined {
    const feed = this.#feeds.get(room);
    return feed !== undefined && feed.untilMs > this.#now() ? feed : undefined;
  }

  #nextVersion(): number {
    this.#lastVersion = nextVersion(this.#lastVersion, this.#now());
    return this.#lastVersion;
  }

  /** Forgets feeds that ran out, each time that there are twice as many as were left. */
  #sweep(): void {
    if (this.#feeds.size < this.#sweepAt) return;
    for (const room of this.#feeds.keys()) if (this.#live(room) === undefined) this.#feeds.delete(room);
    this.#sweepAt = Math.max(SWEEP_MIN, this.#feeds.size * 2);
  }
}
