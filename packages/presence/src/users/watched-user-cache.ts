import type { PresenceChange, UserState } from "@cm/protocol";
import type { SnapshotBatch, UsersWatch } from "../watches/snapshot-batch.js";
import type { WatchBudget } from "../watches/watch-budget.js";
import { changed, isSamePresence, isUnannounced, presenceOf, type UserPresence, withMissing } from "./user-presence.js";

/** A user who is watched by id. */
export interface WatchedUser {
  readonly userId: string;
  /** Number of watches that hold the user, including those that have not begun. */
  holders: number;
  /** Watches that have begun. */
  readonly watches: Set<UsersWatch>;
  /** The user's presence; `undefined` before the first read. */
  presence: UserPresence | undefined;
  /** Number of the read that was installed last for this user. */
  reading: number;
  /** Changes that arrived before the first read. */
  early: PresenceChange[];
}

/** The users of one feed that are watched by id. */
export class WatchedUserCache {
  readonly #users = new Map<string, WatchedUser>();
  readonly #budget: WatchBudget;
  readonly #maxEarly: number;
  readonly #onOverflow: () => void;

  /** `onOverflow` is called if more than `maxEarly` changes arrive before a user's first read. */
  constructor(budget: WatchBudget, maxEarly: number, onOverflow: () => void) {
    this.#budget = budget;
    this.#maxEarly = maxEarly;
    this.#onOverflow = onOverflow;
  }

  get userIds(): string[] {
    return [...this.#users.keys()];
  }

  /** The users whose presence has been read. */
  get readUserIds(): string[] {
    return [...this.#users.values()].flatMap(({ userId, presence }) => (presence === undefined ? [] : [userId]));
  }

  /** Holds a user for a watch. Throws `capacity-reached`. */
  hold(userId: string): WatchedUser {
    let user = this.#users.get(userId);
    if (user === undefined) {
      this.#budget.take(1);
      user = { userId, holders: 0, watches: new Set(), presence: undefined, reading: 0, early: [] };
      this.#users.set(userId, user);
    }
    user.holders++;
    return user;
  }

  release(user: WatchedUser): void {
    user.holders--;
    if (user.holders > 0) return;
    this.#users.delete(user.userId);
    this.#budget.give(1);
  }

  apply(change: PresenceChange): void {
    const user = this.#users.get(change.userId);
    if (user === undefined) return;
    if (user.presence === undefined) {
      this.#keep(user, change);
      return;
    }
    if (change.version <= user.presence.version) return;
    const presence = changed(user.presence, change);
    user.presence = presence;
    for (const watch of [...user.watches]) watch.tell((watcher) => watcher.change(change, presence));
  }

  /** Whether a read lacks a user whose departure was never announced. */
  lacks(states: ReadonlyMap<string, UserState>): boolean {
    for (const { userId, presence } of this.#users.values()) {
      const state = states.get(userId);
      if (state !== undefined && isUnannounced(presence, state)) return true;
    }
    return false;
  }

  /**
   * Installs a read; reads are numbered in the order in which they start. `isAwaited` tells whether a
   * connection that the read lacks still counts as present; see `MissingConnections`.
   */
  install(
    states: ReadonlyMap<string, UserState>,
    reading: number,
    batch: SnapshotBatch,
    isAwaited: (connectionId: string) => boolean,
  ): void {
    for (const user of this.#users.values()) {
      const state = states.get(user.userId);
      if (state === undefined || reading < user.reading) continue;
      const before = user.presence;
      let presence = presenceOf(state);
      if (before !== undefined) presence = withMissing(before, presence, isAwaited);
      for (const change of user.early) if (change.version > presence.version) presence = changed(presence, change);
      user.early = [];
      user.reading = reading;
      user.presence = presence;
      if (before !== undefined && !isSamePresence(before, presence)) batch.add(user.watches, presence);
    }
  }

  #keep(user: WatchedUser, change: PresenceChange): void {
    user.early.push(change);
    if (user.early.length <= this.#maxEarly) return;
    user.early = [];
    this.#onOverflow();
  }
}
