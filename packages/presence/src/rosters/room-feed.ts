import { type CmError, parseRosterChange, type RosterChange, toCmError } from "@cm/protocol";
import { ARRIVAL_MS, ChangeChain, type StateReading } from "../changes/change-chain.js";
import type { ChangeChannels, OpenChannel } from "../changes/change-channels.js";
import { MissingConnections } from "../changes/missing-connections.js";
import type { CompleteReads } from "../complete-reads.js";
import { sameJson } from "../metadata-json.js";
import type { ResolvedPresenceOptions } from "../options.js";
import type { LiveWatch, RoomWatcher } from "../watches/live-watch.js";
import type { WatchBudget } from "../watches/watch-budget.js";
import { isSameRoster, type RosterMember, rosterMember } from "./roster-members.js";
import type { RosterReader } from "./roster-reader.js";

/** The maximum page size of the `RoomDirectory` contract. */
const PAGE_MAX = 1_000;

/** A watch of a room. */
export type RoomWatch = LiveWatch<RoomWatcher>;

/** Options of {@link RoomFeed}. */
export interface RoomFeedOptions {
  readonly options: ResolvedPresenceOptions;
  readonly room: string;
  readonly reader: RosterReader;
  readonly channels: ChangeChannels;
  readonly budget: WatchBudget;
  readonly complete: CompleteReads;
}

/** A room whose members are watched by at least one watch. */
export class RoomFeed {
  /** The watches of this room. The value is `true` once a watch has had its first snapshot and gets changes. */
  readonly #watches = new Map<RoomWatch, boolean>();
  readonly #parts: RoomFeedOptions;
  readonly #chain: ChangeChain<RosterChange>;
  readonly #channel: OpenChannel;
  readonly #missing: MissingConnections;
  readonly #renewal: NodeJS.Timeout;
  readonly #arrivals = new Set<NodeJS.Timeout>();
  #members: Map<string, RosterMember> | undefined;
  /**
   * Connections whose `left` change has arrived but is not applied yet. Reads lack these connections because
   * they left.
   */
  readonly #left = new Set<string>();
  #hasFailed = false;

  constructor(parts: RoomFeedOptions) {
    const { options, room, channels, complete } = parts;
    this.#parts = parts;
    this.#missing = new MissingConnections({ restoreWithinMs: options.restoreWithinMs, reread: () => this.recheck() });
    this.#chain = new ChangeChain({
      // Later reads wait for members that they lack; the first has nothing to compare with.
      read: () => (this.#members === undefined ? complete.run(() => this.#read()) : this.#read()),
      apply: (change) => this.#apply(change),
      maxBuffered: options.maxBufferedChanges,
      onError: (error) => options.onError(error, { stage: "subscription" }),
    });
    this.#channel = channels.open(
      { kind: "roster", name: room },
      {
        parse: parseRosterChange,
        onChange: (change) => this.#onChange(change),
        onResumed: () => this.recheck(),
      },
    );
    this.#renewal = setInterval(() => void this.#renew(), options.announceTtlMs / 3);
    this.#renewal.unref();
  }

  get room(): string {
    return this.#parts.room;
  }

  get isHeld(): boolean {
    return this.#watches.size > 0;
  }

  hold(watch: RoomWatch): void {
    this.#watches.set(watch, false);
  }

  release(watch: RoomWatch): void {
    this.#watches.delete(watch);
  }

  /** Resolves when the watch has received the roster and receives changes. */
  async begin(watch: RoomWatch): Promise<void> {
    await this.#channel.opened;
    if (this.#members === undefined) await this.#chain.refresh();
    if (!this.#watches.has(watch)) return;
    this.#watches.set(watch, true);
    const members = [...(this.#members?.values() ?? [])];
    watch.tell((watcher) => watcher.snapshot(members));
  }

  /** Reads the roster again, and notifies watchers of the differences. */
  recheck(): void {
    this.refresh().catch(() => undefined); // The chain reports the failure and tries again.
  }

  /** Like {@link recheck}, but rejects with the error of the read, which is then tried again nevertheless. */
  refresh(): Promise<void> {
    return this.#members === undefined ? Promise.resolve() : this.#chain.refresh();
  }

  close(): Promise<void> {
    clearInterval(this.#renewal);
    for (const timer of this.#arrivals) clearTimeout(timer);
    this.#missing.close();
    this.#chain.close();
    this.#parts.budget.give(this.#members?.size ?? 0);
    this.#members = undefined;
    return this.#channel.close();
  }

  async #read(): Promise<StateReading<RosterChange>> {
    const { options, room, reader } = this.#parts;
    const { rooms } = options.store;
    const beganAt = performance.now();
    const version = await rooms.enableAnnouncements(room, options.announceTtlMs);
    const members = new Map<string, RosterMember>();
    let cursor: string | undefined;
    do {
      const page = await reader.page(room, { limit: PAGE_MAX, cursor });
      for (const member of page.items) members.set(member.connectionId, member);
      // Stop once the budget is exceeded: the watches will be ended anyway.
      if (members.size > options.maxCachedStates) break;
      cursor = page.cursor;
    } while (cursor !== undefined);
    const missing = [...(this.#members?.values() ?? [])].filter(({ connectionId }) => !members.has(connectionId));
    const departed = await reader.departed(missing);
    return {
      version,
      upTo: await rooms.enableAnnouncements(room, options.announceTtlMs),
      fold: (change) => fold(members, change),
      install: () =>
        this.#missing.judge(beganAt, (isAwaited) => {
          for (const member of missing) {
            const { connectionId } = member;
            const isGone = this.#left.has(connectionId) || departed.has(connectionId) || members.has(connectionId);
            if (!isGone && isAwaited(connectionId)) members.set(connectionId, member);
          }
          this.#left.clear();
          this.#install(members);
        }),
    };
  }

  #install(members: Map<string, RosterMember>): void {
    if (!this.isHeld) return;
    const before = this.#members;
    const error = this.#take(members.size - (before?.size ?? 0));
    if (error !== undefined) {
      this.#end(error);
      return;
    }
    this.#members = members;
    if (before === undefined || isSameRoster(before, members)) return;
    const roster = [...members.values()];
    for (const watch of this.#begun()) watch.tell((watcher) => watcher.snapshot(roster));
  }

  #onChange(change: RosterChange): void {
    const { kind, connectionId } = change;
    const isGoing = kind === "left" && this.#members?.has(connectionId) === true;
    if (isGoing) this.#left.add(connectionId);
    else if (kind !== "left") this.#left.delete(connectionId);
    this.#chain.offer(change);
    // A read of this version or a later one was installed already: it lacked the member, who was kept
    // as missing. Read again, now that the departure is known.
    if (isGoing && this.#left.has(connectionId) && this.#chain.version >= change.version) this.recheck();
  }

  #apply(change: RosterChange): void {
    const members = this.#members;
    if (members === undefined) return;
    this.#left.delete(change.connectionId);
    const size = members.size;
    // A change that the read already contains may arrive once more.
    if (!fold(members, change)) return;
    const error = this.#take(members.size - size);
    if (error !== undefined) {
      // Remove the member again: closing returns all members to the budget, and this one was not taken
      // from it.
      members.delete(change.connectionId);
      this.#end(error);
      return;
    }
    for (const watch of this.#begun()) watch.tell((watcher) => watcher.change(change));
  }

  /** Takes members from the budget. Returns the error if the budget is exceeded. */
  #take(more: number): CmError | undefined {
    try {
      this.#parts.budget.take(more);
      return undefined;
    } catch (cause) {
      return toCmError(cause, "capacity-reached", "There are too many members to keep.");
    }
  }

  #end(error: CmError): void {
    for (const watch of [...this.#watches.keys()]) watch.end(error);
  }

  #begun(): RoomWatch[] {
    return [...this.#watches].filter(([, hasBegun]) => hasBegun).map(([watch]) => watch);
  }

  async #renew(): Promise<void> {
    const { options, room } = this.#parts;
    try {
      const version = await options.store.rooms.enableAnnouncements(room, options.announceTtlMs);
      this.#hasFailed = false;
      this.#expect(version);
    } catch (cause) {
      if (!this.#hasFailed) {
        const error = toCmError(cause, "unavailable", "Roster announcements could not be enabled for a room.");
        options.onError(error, { stage: "subscription" });
      }
      this.#hasFailed = true;
    }
  }

  /**
   * Checks for a missed change. The change of this version was made, so it has arrived or must arrive within
   * `ARRIVAL_MS`; otherwise the roster is read again.
   */
  #expect(version: number): void {
    if (!this.isHeld || this.#chain.version >= version) return;
    const timer = setTimeout(() => {
      this.#arrivals.delete(timer);
      if (this.#chain.version < version) this.recheck();
    }, ARRIVAL_MS);
    timer.unref();
    this.#arrivals.add(timer);
  }
}

/** Applies a change to a roster. Returns whether it changed anything. */
function fold(members: Map<string, RosterMember>, { kind, connectionId, userId, metadata }: RosterChange): boolean {
  if (kind === "left") return members.delete(connectionId);
  const before = members.get(connectionId);
  if (before?.userId === userId && sameJson(before.metadata, metadata)) return false;
  members.set(connectionId, rosterMember(connectionId, userId, metadata));
  return true;
}
