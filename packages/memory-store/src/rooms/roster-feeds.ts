import { type AnnouncedMember, type DepartureReason, encodeUtf8, type RosterChangeKind } from "@cm/protocol";
import { requireDuration } from "@cm/protocol/store";
import type { ChannelTable } from "../bus/channel-table.js";
import { changeText, nextVersion } from "../change-versions.js";

interface Feed {
  version: number;
  untilMs: number;
}

/** Minimum number of feeds before expired ones are looked for. */
const SWEEP_MIN = 64;

/** The rooms whose changes are announced, each for the requested time. */
export class RosterFeeds {
  readonly #channels: ChannelTable;
  readonly #now: () => number;
  readonly #feeds = new Map<string, Feed>();
  /**
   * The greatest version of all rooms: the versions of a feed must not go back after the feed was dropped.
   */
  #lastVersion = 0;
  #sweepAt = SWEEP_MIN;

  constructor(channels: ChannelTable, now: () => number) {
    this.#channels = channels;
    this.#now = now;
  }

  /** Number of rooms that are announced now. */
  get size(): number {
    return [...this.#feeds.keys()].filter((room) => this.#live(room) !== undefined).length;
  }

  /** Number of stored rooms, including rooms whose announcement time has expired. */
  get kept(): number {
    return this.#feeds.size;
  }

  /** Announces a room's changes for `ttlMs`. Returns the version of the room's latest change. */
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

  /** Announces changes of a room if its feed is live. */
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

  /** Drops expired feeds, but only if there are at least `SWEEP_MIN`, and twice as many as after the last sweep. */
  #sweep(): void {
    if (this.#feeds.size < this.#sweepAt) return;
    for (const room of this.#feeds.keys()) if (this.#live(room) === undefined) this.#feeds.delete(room);
    this.#sweepAt = Math.max(SWEEP_MIN, this.#feeds.size * 2);
  }
}
