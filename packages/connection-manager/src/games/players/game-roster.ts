import type { RoomWatcher, RosterMember } from "@cm/presence";
import { type DepartureReason, type GameEvent, ownerOf, type RosterChange } from "@cm/protocol";

/** What a {@link GameRoster} needs. */
export interface GameRosterOptions {
  readonly gameId: string;
  /**
   * How long to wait for a player who is missing when the roster is reread: the data may
   * have been lost, and its owner is about to write it again, which it does not announce.
   */
  readonly patienceMs: number;
  /** Has the roster read once more: a snapshot follows, which decides about who is missing. */
  readonly reread: () => void;
  /** Takes each of `player-joined`, `player-left` and `game-removed`, once, in order. */
  readonly onEvent: (event: GameEvent) => void;
}

/**
 * Who plays a game, out of the changes of its roster: a player joins with the first of
 * several connections and leaves with the last, and the game goes with the last player.
 */
export class GameRoster implements RoomWatcher {
  readonly #options: GameRosterOptions;
  /** Connections by player; players who are missing keep theirs. */
  #players = new Map<string, Set<string>>();
  /** Players who were missing when the roster was reread, and since when by the monotonic clock. */
  readonly #missing = new Map<string, number>();
  /** Who has been missing since then or longer was waited for long enough. */
  #dueSince = Number.NEGATIVE_INFINITY;
  #confirmation: NodeJS.Timeout | undefined;
  #hasBegun = false;

  constructor(options: GameRosterOptions) {
    this.#options = options;
  }

  snapshot(members: readonly RosterMember[]): void {
    const before = this.#players;
    const now = new Map<string, Set<string>>();
    for (const { userId, connectionId } of members) connectionsOf(now, userId).add(connectionId);
    const hadBegun = this.#hasBegun;
    this.#hasBegun = true;
    this.#players = now;
    const readAt = performance.now();
    for (const userId of now.keys()) this.#found(userId);
    for (const [userId, connections] of before) {
      if (now.has(userId)) continue;
      now.set(userId, connections);
      if (!this.#missing.has(userId)) this.#missing.set(userId, readAt);
    }
    this.#decide();
    if (!hadBegun) return;
    for (const [userId, connections] of now) {
      const [connectionId = ""] = connections;
      if (!before.has(userId)) this.#tell("player-joined", Date.now(), connectionId, userId);
    }
  }

  change({ kind, userId, connectionId, at, reason }: RosterChange): void {
    if (kind === "updated") return;
    if (kind === "left") {
      this.#left(userId, connectionId, at, reason ?? "lost");
      return;
    }
    const isNew = !this.#players.has(userId);
    const connections = connectionsOf(this.#players, userId);
    // A player who comes back has other connections than those that were missing.
    if (this.#found(userId)) connections.clear();
    connections.add(connectionId);
    if (isNew) this.#tell("player-joined", at, connectionId, userId);
  }

  close(): void {
    clearTimeout(this.#confirmation);
    this.#missing.clear();
  }

  #left(userId: string, connectionId: string, at: number, reason: DepartureReason): void {
    const connections = this.#players.get(userId);
    if (connections === undefined || !connections.delete(connectionId) || connections.size > 0) return;
    this.#found(userId);
    this.#players.delete(userId);
    this.#tell("player-left", at, connectionId, userId, { reason });
    if (this.#players.size === 0) this.#tell("game-removed", at, connectionId);
  }

  /** Who was waited for is gone; for the others the roster is read once more later. */
  #decide(): void {
    for (const [userId, since] of [...this.#missing]) {
      if (since > this.#dueSince) continue;
      for (const connectionId of [...(this.#players.get(userId) ?? [])]) {
        this.#left(userId, connectionId, Date.now(), "lost");
      }
    }
    clearTimeout(this.#confirmation);
    const [oldest] = this.#missing.values();
    if (oldest === undefined) return;
    this.#confirmation = setTimeout(
      () => {
        this.#dueSince = oldest;
        this.#options.reread();
      },
      oldest + this.#options.patienceMs - performance.now(),
    );
    this.#confirmation.unref();
  }

  /** Whether the user had been missing. */
  #found(userId: string): boolean {
    return this.#missing.delete(userId);
  }

  #tell(type: string, timestamp: number, connectionId: string, userId?: string, data?: unknown): void {
    const { gameId, onEvent } = this.#options;
    onEvent({
      type,
      gameId,
      timestamp,
      serverInstance: ownerOf(connectionId) ?? "",
      ...(userId === undefined ? {} : { userId }),
      ...(data === undefined ? {} : { data }),
    });
  }
}

function connectionsOf(players: Map<string, Set<string>>, userId: string): Set<string> {
  let connections = players.get(userId);
  if (connections === undefined) {
    connections = new Set();
    players.set(userId, connections);
  }
  return connections;
}
