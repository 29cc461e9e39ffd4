import { type CmError, type OnError, type PresenceChange, type RosterChange, toCmError } from "@cm/protocol";
import type { RosterMember } from "../rosters/roster-members.js";
import type { UserPresence } from "../users/user-presence.js";

/**
 * Receives the presence of users: first their current states, then every change once, in order. Calls
 * are never nested. If a call throws, the error is reported to `onError`, once per watch, and later
 * calls are still made.
 */
export interface PresenceWatcher {
  /**
   * Reports the current presences of these users, which replace any earlier ones; users who are not included
   * are unchanged. Called before the watch resolves, with all users of the watch (for `watchAll`: with those
   * who are online, in several calls), and again with users whose changes were missed. The list is never
   * empty; if `watchAll` finds no online user, `snapshot` is not called at all.
   */
  snapshot(presences: readonly UserPresence[]): void;
  /** Reports one change, and the user's presence after it. */
  change(change: PresenceChange, presence: UserPresence): void;
  /**
   * Reports that the watch was ended, with `capacity-reached` if all watches together would exceed
   * `maxCachedStates`. This is the last call.
   */
  ended?(error: CmError): void;
}

/** Receives the members of a room, with the same guarantees as {@link PresenceWatcher}. */
export interface RoomWatcher {
  /** Reports all current members, which replace any earlier list. */
  snapshot(members: readonly RosterMember[]): void;
  /** Reports that a member joined, was updated or left. */
  change(change: RosterChange): void;
  /**
   * Reports that the watch was ended, with `capacity-reached` if all watches together would exceed
   * `maxCachedStates`. This is the last call.
   */
  ended?(error: CmError): void;
}

/** An open watch of users or of a room. */
export interface Watch {
  /**
   * Reads the state again now, as also happens periodically (see `recheckIntervalMs`). Resolves when watchers
   * have been notified of the differences. If the read fails, rejects with its error, and the read is retried
   * nevertheless. Does nothing if the watch is closed.
   */
  refresh(): Promise<void>;
  /** Closes the watch. Idempotent. The watcher is not called after this call. */
  close(): Promise<void>;
  /** The same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Implementation of {@link Watch}, with the methods that feeds call. */
export class LiveWatch<W extends { ended?(error: CmError): void }> implements Watch {
  readonly #watcher: W;
  readonly #onError: OnError;
  readonly #onClosed: (watch: LiveWatch<W>) => Promise<void>;
  readonly #onRefresh: () => Promise<unknown>;
  #hasThrown = false;
  #hasBegun = false;
  /** The error with which the watch was ended before it had begun. */
  #failure: CmError | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    watcher: W,
    onError: OnError,
    onClosed: (watch: LiveWatch<W>) => Promise<void>,
    onRefresh: () => Promise<unknown>,
  ) {
    this.#watcher = watcher;
    this.#onError = onError;
    this.#onClosed = onClosed;
    this.#onRefresh = onRefresh;
  }

  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  tell(say: (watcher: W) => void): void {
    if (!this.isClosed) this.#guarded(say);
  }

  /**
   * Marks the watch as begun, after its snapshot was sent. Throws the error with which the watch was ended
   * before, if any.
   */
  begun(): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#hasBegun = true;
  }

  /** Ends the watch because of an error. */
  end(error: CmError): void {
    if (this.isClosed) return;
    void this.close();
    if (this.#hasBegun) this.#guarded((watcher) => watcher.ended?.(error));
    else this.#failure = error;
  }

  async refresh(): Promise<void> {
    if (!this.isClosed) await this.#onRefresh();
  }

  close(): Promise<void> {
    this.#closing ??= this.#onClosed(this);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #guarded(say: (watcher: W) => void): void {
    // Also catches async watchers.
    new Promise<void>((resolve) => resolve(say(this.#watcher))).catch((cause: unknown) => {
      if (this.#hasThrown) return;
      this.#hasThrown = true;
      this.#onError(toCmError(cause, "internal", "A watcher threw."), { stage: "handler" });
    });
  }
}
