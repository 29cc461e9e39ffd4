import type { Presence, Watch } from "@cm/presence";
import { CmError, type GameEvent, type OnError, type RoomInterest, toCmError } from "@cm/protocol";
import { GameRoster } from "../players/game-roster.js";
import { decodeGameEvent } from "./game-event-codec.js";

/**
 * Receives the events of a game. All handlers of a server receive the same object. If a handler throws,
 * or returns a promise that rejects, it is still called for later events.
 */
export type GameEventHandler = (event: GameEvent) => void;

/** Options of {@link GameFeed}. */
export interface GameFeedOptions {
  readonly gameId: string;
  readonly interest: RoomInterest;
  readonly presence: Pick<Presence, "watchRoom">;
  /** Called when the game has no players any more. */
  readonly onRemoved: () => void;
  readonly onError: OnError;
}

/** Time between a failed attempt to open the channels and the next one, in milliseconds. */
const RETRY_MS = 1_000;

/**
 * A game whose messages and roster changes this server receives, for its handlers and its spectators. A
 * channel that could not be opened is tried again.
 */
export class GameFeed {
  readonly #options: GameFeedOptions;
  readonly #handlers = new Map<GameEventHandler, { hasThrown: boolean }>();
  readonly #roster: GameRoster;
  /** Resolves when every event from then on is received. Rejects with `closed` if the feed is closed before. */
  readonly live: Promise<void>;
  #goLive: () => void = () => undefined;
  #giveUp: (error: CmError) => void = () => undefined;
  #spectators = 0;
  #attempt: Promise<void>;
  #isOpening = true;
  #retry: NodeJS.Timeout | undefined;
  #isEntered = false;
  #watch: Watch | undefined;
  #isClosed = false;

  constructor(options: GameFeedOptions) {
    this.#options = options;
    this.#roster = new GameRoster({ gameId: options.gameId, onEvent: (event) => this.#onLifecycle(event) });
    this.live = new Promise((resolve, reject) => {
      this.#goLive = resolve;
      this.#giveUp = reject;
    });
    // Awaiting `live` is optional: this avoids an unhandled rejection.
    this.live.catch(() => undefined);
    this.#attempt = this.#open();
  }

  /** The current attempt to open the channels, or the last one. */
  get attempt(): Promise<void> {
    return this.#attempt;
  }

  get isOpening(): boolean {
    return this.#isOpening;
  }

  get isWanted(): boolean {
    return this.#handlers.size > 0 || this.#spectators > 0;
  }

  addHandler(handler: GameEventHandler): void {
    if (!this.#handlers.has(handler)) this.#handlers.set(handler, { hasThrown: false });
  }

  deleteHandler(handler: GameEventHandler): void {
    this.#handlers.delete(handler);
  }

  addSpectator(): void {
    this.#spectators++;
  }

  deleteSpectator(): void {
    this.#spectators--;
  }

  /** Passes a message of the game to the handlers. */
  deliver(bytes: Uint8Array): void {
    if (this.#handlers.size === 0) return;
    const event = decodeGameEvent(bytes);
    if (event.ok) this.#tell(event.value);
    else this.#options.onError(event.error, { stage: "bus" });
  }

  /**
   * Called after the store has lost its data: reads the roster again and renews the request for roster
   * announcements, which was lost too. If there is no watch, one is about to be opened, so there is nothing to do.
   * Never rejects.
   */
  async refresh(): Promise<void> {
    await this.#watch?.refresh().catch(() => undefined); // Presence reports the failure and tries again.
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#handlers.clear();
    this.#giveUp(new CmError("closed", "The game's event subscription was closed."));
    await this.#attempt.catch(() => undefined); // The failed attempt has reported its error.
    await this.#letGo();
  }

  #open(): Promise<void> {
    this.#isOpening = true;
    const attempt = this.#openBoth().then(
      () => {
        this.#isOpening = false;
        this.#goLive();
      },
      (cause: unknown) => {
        this.#isOpening = false;
        const error = toCmError(cause, "unavailable", "A game's channels could not be opened.");
        this.#reopenLater(error);
        throw error;
      },
    );
    attempt.catch(() => undefined);
    return attempt;
  }

  async #openBoth(): Promise<void> {
    const { gameId, interest, presence } = this.#options;
    const [entered, watched] = await Promise.allSettled([
      this.#isEntered ? undefined : interest.enter(gameId),
      this.#watch ??
        presence.watchRoom(gameId, {
          snapshot: (members) => this.#roster.snapshot(members),
          change: (change) => this.#roster.change(change),
          ended: (error) => {
            this.#watch = undefined;
            this.#reopenLater(error);
          },
        }),
    ]);
    if (entered.status === "fulfilled") this.#isEntered = true;
    if (watched.status === "fulfilled") this.#watch = watched.value;
    if (entered.status === "rejected") throw entered.reason;
    if (watched.status === "rejected") throw watched.reason;
  }

  #reopenLater(error: CmError): void {
    if (this.#isClosed) return;
    this.#options.onError(error, { stage: "subscription" });
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      // Two concurrent attempts would each open a watch.
      if (!this.#isOpening) this.#attempt = this.#open();
    }, RETRY_MS);
    this.#retry.unref();
  }

  async #letGo(): Promise<void> {
    if (this.#isEntered) this.#options.interest.exit(this.#options.gameId);
    this.#isEntered = false;
    await this.#watch?.close();
  }

  #onLifecycle(event: GameEvent): void {
    this.#tell(event);
    if (event.type === "game-removed") this.#options.onRemoved();
  }

  #tell(event: GameEvent): void {
    for (const [handler, state] of [...this.#handlers]) {
      // An earlier handler may have removed this one.
      if (!this.#handlers.has(handler)) continue;
      try {
        // The return type is `void`, which also accepts async functions.
        const outcome: unknown = handler(event);
        if (outcome instanceof Promise) outcome.catch((cause: unknown) => this.#onThrown(state, cause));
      } catch (cause) {
        this.#onThrown(state, cause);
      }
    }
  }

  #onThrown(state: { hasThrown: boolean }, cause: unknown): void {
    if (state.hasThrown) return;
    state.hasThrown = true;
    const { gameId, onError } = this.#options;
    const error = new CmError("internal", "A game event handler threw an error.", { cause, details: { gameId } });
    onError(error, { stage: "handler" });
  }
}
