import type { AnnouncedMember, DepartureReason, RosterChangeKind } from "@cm/protocol";
import { requireDuration } from "@cm/protocol/store";
import type { Channels } from "./channels.js";
import { changeText, Versions } from "./versions.js";

/** The rooms whose changes are announced, each until the time that was asked for. */
export class Rosters {
  readonly #channels: Channels;
  readonly #now: () => number;
  readonly #versions: Versions;
  readonly #wanted = new Map<string, { version: number; untilMs: number }>();

  constructor(channels: Channels, now: () => number) {
    this.#channels = channels;
    this.#now = now;
    this.#versions = new Versions(now);
  }

  /** Number of rooms that are announced now. Forgets rooms whose time has passed. */
  get size(): number {
    for (const [room, { untilMs }] of this.#wanted) if (untilMs <= this.#now()) this.#wanted.delete(room);
    return this.#wanted.size;
  }

  /** Lets a room's changes be announced for `ttlMs` milliseconds. Returns the version of the latest change. */
  want(room: string, ttlMs: number): number {
    requireDuration(ttlMs, "ttlMs");
    // Reading `size` also forgets rooms whose time has passed, so that few are kept.
    const known = this.size > 0 ? this.#wanted.get(room) : undefined;
    const version = known?.version ?? this.#versions.next();
    this.#wanted.set(room, { version, untilMs: Math.max(known?.untilMs ?? 0, this.#now() + ttlMs) });
    return version;
  }

  announce(room: string, kind: RosterChangeKind, members: readonly AnnouncedMember[], reason?: DepartureReason): void {
    const roster = this.#wanted.get(room);
    if (roster === undefined || roster.untilMs <= this.#now()) return;
    for (const { userId, connectionId, metadata } of members) {
      const previous = roster.version;
      roster.version = this.#versions.next();
      const fields = { kind, user: userId, connection: connectionId, version: roster.version, previous };
      const text = changeText({ ...fields, at: this.#now(), reason }, kind === "left" ? undefined : metadata);
      this.#channels.announce(`roster:${room}`, text);
    }
  }
}
