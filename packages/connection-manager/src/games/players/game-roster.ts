import type { RoomWatcher, RosterMember } from "@cm/presence";
import { type DepartureReason, type GameEvent, ownerOf, type RosterChange } from "@cm/protocol";

/** Options of {@link GameRoster}. */
export interface GameRosterOptions {
  readonly gameId: string;
  /** Receives each `player-joined`, `player-left` and `game-removed` event, once, in order. */
  readonly onEvent: (event: GameEvent) => void;
}

/**
 * The players of a game, derived from the changes of its roster: a player joins with the first of
 * several connections and leaves with the last one, and the game is removed with the last player.
 */
export class GameRoster implements RoomWatcher {
  readonly #options: GameRosterOptions;
  /** The connections of each player. */
  #players = new Map<string, Set<string>>();
  #hasBegun = false;

  constructor(options: GameRosterOptions) {
    this.#options = options;
  }

  /**
   * A user who is missing has left: a member that the store lost stays in snapshots until its server had time to
   * write it again.
   */
  snapshot(members: readonly RosterMember[]): void {
    const before = this.#players;
    const now = new Map<string, Set<string>>();
    for (const { userId, connectionId } of members) connectionsOf(now, userId).add(connectionId);
    const hadBegun = this.#hasBegun;
    this.#hasBegun = true;
    this.#players = now;
    if (!hadBegun) return;
    for (const [userId, connections] of before) {
      if (now.has(userId)) continue;
      now.set(userId, connections);
      for (const connectionId of [...connections]) this.#left(userId, connectionId, Date.now(), "lost");
    }
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
    connections.add(connectionId);
    if (isNew) this.#tell("player-joined", at, connectionId, userId);
  }

  #left(userId: string, connectionId: string, at: number, reason: DepartureReason): void {
    const connections = this.#players.get(userId);
    if (connections === undefined || !connections.delete(connectionId) || connections.size > 0) return;
    this.#players.delete(userId);
    this.#tell("player-left", at, connectionId, userId, { reason });
    if (this.#players.size === 0) this.#tell("game-removed", at, connectionId);
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
