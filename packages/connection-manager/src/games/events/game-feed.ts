import type { Presence, Watch } from "@cm/presence";
import { CmError, type GameEvent, type OnError, type RoomInterest, toCmError } from "@cm/protocol";
import { GameRoster } from "../players/game-roster.js";
import { decodeGameEvent } from "./game-event-codec.js";

/**
 * Hears what happens in a game. All handlers of a server get the same object. It may
 * throw, or return a promise that is rejected; it is called on.
 */
export type GameEventHandler = (event: GameEvent) => void;

/** What a {@link GameFeed} needs. */
export interface GameFeedOptions {
  readonly gameId: string;
  readonly interest: RoomInterest;
  readonly presence: Pick<Presence, "watchRoom">;
  readonly patienceMs: number;
  /** The game has no players any more. */
  readonly onRemoved: () => void;
  readonly onError: OnError;
}

/** How long after a failed opening the next one begins. */
const RETRY_MS = 1_000;

/**
 * A game that this server listens to, for its handlers and its spectators: the game's
 * messages and the changes of its roster. What could not be opened is tried again.
 */
export class GameFeed {
  readonly #options: GameFeedOptions;
  readonly #handlers = new Map<GameEventHandler, { hasThrown: boolean }>();
  readonly #roster: GameRoster;
  /** Resolves when everything that happens from then on is heard; `closed` where that never came. */
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
    const { gameId, patienceMs } = options;
    this.#roster = new GameRoster({
      gameId,
      patienceMs,
      reread: () => void this.rewatch(),
      onEvent: (event) => this.#onLifecycle(event),
    });
    this.live = new Promise((resolve, reject) => {
      this.#goLive = resolve;
      this.#giveUp = reject;
    });
    // Awaiting it is optional: without this its rejection could be unhandled.
    this.live.catch(() => undefined);
    this.#attempt = this.#open();
  }

  /** The opening that is under way, or the last one. */
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

  /** Takes a message of the game. */
  deliver(bytes: Uint8Array): void {
    if (this.#handlers.size === 0) return;
    const event = decodeGameEvent(bytes);
    if (event.ok) this.#tell(event.value);
    else this.#options.onError(event.error, { stage: "bus" });
  }

  /**
   * Replaces the watch of the roster: the store has lost its data, and with them that this
   * server wants to hear of changes; or a player was missing. Where there is no watch, one is
   * about to be opened. Never fails.
   */
  async rewatch(): Promise<void> {
    const watch = this.#watch;
    if (watch === undefined || this.#isOpening || this.#isClosed) return;
    this.#watch = undefined;
    this.#isOpening = true;
    // Closed first: a watch beside it would share what it knows.
    this.#attempt = watch.close().then(() => this.#open());
    await this.#attempt.catch(() => undefined); // Reported, and tried again.
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#handlers.clear();
    this.#roster.close();
    this.#giveUp(new CmError("closed", "Nobody listens to the game any more."));
    await this.#attempt.catch(() => undefined); // Reported to its caller.
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
      // Two at a time would each open a watch.
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
      // One handler may have taken another off.
      if (!this.#handlers.has(handler)) continue;
      try {
        // The type says void, which an async function satisfies too.
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
    const error = new CmError("internal", "A handler of a game's events threw.", { cause, details: { gameId } });
    onError(error, { stage: "handler" });
  }
}
