import type { UserPresence } from "../users/user-presence.js";
import type { LiveWatch, PresenceWatcher } from "./live-watch.js";

/** A watch of users. */
export type UsersWatch = LiveWatch<PresenceWatcher>;

/** Collects the differences that a read has found, and sends each watch all of its differences at once. */
export class SnapshotBatch {
  readonly #byWatch = new Map<UsersWatch, UserPresence[]>();

  add(watches: Iterable<UsersWatch>, presence: UserPresence): void {
    for (const watch of watches) {
      const presences = this.#byWatch.get(watch);
      if (presences === undefined) this.#byWatch.set(watch, [presence]);
      else presences.push(presence);
    }
  }

  send(): void {
    for (const [watch, presences] of this.#byWatch) watch.tell((watcher) => watcher.snapshot(presences));
  }
}
