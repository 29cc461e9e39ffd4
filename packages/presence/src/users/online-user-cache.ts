import { type CmError, type PresenceChange, toCmError, type UserState } from "@cm/protocol";
import type { SnapshotBatch, UsersWatch } from "../watches/snapshot-batch.js";
import type { WatchBudget } from "../watches/watch-budget.js";
import {
  absent,
  changed,
  isSamePresence,
  isUnannounced,
  presenceOf,
  type UserPresence,
  withMissing,
} from "./user-presence.js";

/** The online users of one feed, for watches of all users. */
export class OnlineUserCache {
  readonly #users = new Map<string, UserPresence>();
  readonly #budget: WatchBudget;
  /** The watches of all users. The value is `true` once a watch has had its first snapshot and gets changes. */
  readonly #watches = new Map<UsersWatch, boolean>();
  #isRead = false;

  constructor(budget: WatchBudget) {
    this.#budget = budget;
  }

  get isWanted(): boolean {
    return this.#watches.size > 0;
  }

  /** Whether the state has been read and is kept up to date. */
  get isRead(): boolean {
    return this.#isRead;
  }

  get userIds(): string[] {
    return [...this.#users.keys()];
  }

  hold(watch: UsersWatch): void {
    this.#watches.set(watch, false);
  }

  /** Sends the watch the users who are online, and from then on their changes. */
  begin(watch: UsersWatch): void {
    if (!this.#watches.has(watch)) return;
    this.#watches.set(watch, true);
    const presences = [...this.#users.values()];
    if (presences.length > 0) watch.tell((watcher) => watcher.snapshot(presences));
  }

  release(watch: UsersWatch): void {
    if (!this.#watches.delete(watch) || this.isWanted) return;
    this.#budget.give(this.#users.size);
    this.#users.clear();
    this.#isRead = false;
  }

  apply(change: PresenceChange): void {
    if (!this.#isRead) return;
    const before = this.#users.get(change.userId);
    // The user was offline when the state was read, so this change is older than the state.
    if (before === undefined && (change.kind === "closed" || change.kind === "offline")) return;
    if (before !== undefined && change.version <= before.version) return;
    const presence = changed(before ?? absent(change.userId), change);
    if (!this.#put(presence)) return;
    for (const watch of this.#begun()) watch.tell((watcher) => watcher.change(change, presence));
  }

  /** Whether a read lacks a user whose departure was never announced. */
  lacks(states: ReadonlyMap<string, UserState>): boolean {
    for (const state of states.values()) if (isUnannounced(this.#users.get(state.userId), state)) return true;
    return false;
  }

  /**
   * Applies a read that contains all users who are online, and all users of this cache. For `isAwaited`, see
   * `WatchedUserCache.install`.
   */
  install(
    states: ReadonlyMap<string, UserState>,
    batch: SnapshotBatch,
    isAwaited: (connectionId: string) => boolean,
  ): void {
    if (!this.isWanted) return;
    this.#isRead = true;
    for (const state of states.values()) {
      const read = presenceOf(state);
      const before = this.#users.get(read.userId);
      const presence = before === undefined ? read : withMissing(before, read, isAwaited);
      if (before === undefined && presence.status === "offline") continue;
      if (!this.#put(presence)) return;
      if (before === undefined || !isSamePresence(before, presence)) batch.add(this.#begun(), presence);
    }
  }

  /**
   * Stores the user's presence, or deletes the entry if the user is offline. If the budget is exceeded,
   * ends all watches and returns `false`.
   */
  #put(presence: UserPresence): boolean {
    const { userId } = presence;
    const isKnown = this.#users.has(userId);
    if (presence.status === "offline") {
      if (this.#users.delete(userId)) this.#budget.give(1);
      return true;
    }
    try {
      if (!isKnown) this.#budget.take(1);
    } catch (cause) {
      this.#end(toCmError(cause, "capacity-reached", "There are too many users to keep."));
      return false;
    }
    this.#users.set(userId, presence);
    return true;
  }

  #end(error: CmError): void {
    for (const watch of [...this.#watches.keys()]) watch.end(error);
  }

  #begun(): UsersWatch[] {
    return [...this.#watches].filter(([, hasBegun]) => hasBegun).map(([watch]) => watch);
  }
}
