import { type CmError, type OnError, type PresenceChange, type RosterChange, toCmError } from "@cm/protocol";
import type { RosterMember } from "../rosters/roster.js";
import type { UserPresence } from "../users/user-presence.js";

/**
 * Hears of users. It first gets their states, then every change once, in order. Calls are
 * never nested. What it throws is reported to `onError`, once a watch, and it is called on.
 */
export interface PresenceWatcher {
  /**
   * These users are now so, whatever was known of them before; users who are not named
   * stay as they are. Called before the watch resolves, with all users of the watch (of
   * `watchAll`: with those who are online, in parts), and again with those whose changes
   * were missed. Never empty, but where `watchAll` finds no online user it is not called at all.
   */
  snapshot(presences: readonly UserPresence[]): void;
  /** One thing changed, and made the user so. */
  change(change: PresenceChange, presence: UserPresence): void;
  /** The watch was given up: `capacity-reached` where it outgrew `maxKept`. Last call. */
  ended?(error: CmError): void;
}

/** Hears of the members of a room; otherwise as {@link PresenceWatcher}. */
export interface RoomWatcher {
  /** These are the members, all of them, whatever was known before. */
  snapshot(members: readonly RosterMember[]): void;
  /** A member came, changed or went. */
  change(change: RosterChange): void;
  /** The watch was given up: `capacity-reached` where it outgrew `maxKept`. Last call. */
  ended?(error: CmError): void;
}

/** Something that is watched. */
export interface Watch {
  /** Ends it. Idempotent; the watcher is not called after this was called. */
  close(): Promise<void>;
  /** As {@link close}. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** One watch as the feeds see it. */
export class LiveWatch<W extends { ended?(error: CmError): void }> implements Watch {
  readonly #watcher: W;
  readonly #onError: OnError;
  readonly #onClosed: (watch: LiveWatch<W>) => Promise<void>;
  #hasThrown = false;
  #hasBegun = false;
  /** Why it was given up before it had begun. */
  #failure: CmError | undefined;
  #closing: Promise<void> | undefined;

  constructor(watcher: W, onError: OnError, onClosed: (watch: LiveWatch<W>) => Promise<void>) {
    this.#watcher = watcher;
    this.#onError = onError;
    this.#onClosed = onClosed;
  }

  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  tell(say: (watcher: W) => void): void {
    if (!this.isClosed) this.#guarded(say);
  }

  /** Called after the snapshot was told. Throws the reason if the watch ended before. */
  begun(): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#hasBegun = true;
  }

  /** Gives the watch up. */
  end(error: CmError): void {
    if (this.isClosed) return;
    void this.close();
    if (this.#hasBegun) this.#guarded((watcher) => watcher.ended?.(error));
    else this.#failure = error;
  }

  close(): Promise<void> {
    this.#closing ??= this.#onClosed(this);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #guarded(say: (watcher: W) => void): void {
    try {
      say(this.#watcher);
    } catch (cause) {
      if (this.#hasThrown) return;
      this.#hasThrown = true;
      this.#onError(toCmError(cause, "internal", "A watcher threw."), { stage: "handler" });
    }
  }
}
