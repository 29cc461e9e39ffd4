import type { Membership } from "@cm/membership";
import { CmError, connectionIdsOf, ownerOf, type Store } from "@cm/protocol";
import { awaitAll } from "@cm/protocol/turns";
import type { Router } from "@cm/router";
import type { GameFeed } from "../events/game-feed.js";
import type { OpenGameFeeds } from "../events/open-game-feeds.js";
import { spectatorsRoom } from "../game-names.js";
import type { SocketMetadata } from "../game-reader.js";
import { encodeNewGameRecord } from "../sessions/game-record-codec.js";
import type { GameSessionStore } from "../sessions/game-session-store.js";
import type { LocalPlayers, Player, PlayerSocket, Watching } from "./local-players.js";

/** How long to wait until another server has answered that it removed a user from a game, in milliseconds. */
const ANSWER_MS = 3_000;

/** Options of {@link GameParticipation}. */
export interface GameParticipationOptions {
  readonly serverId: string;
  readonly store: Pick<Store, "users">;
  readonly membership: Membership;
  readonly router: Pick<Router, "control">;
  readonly players: LocalPlayers;
  readonly feeds: OpenGameFeeds;
  readonly records: GameSessionStore;
}

/** Adds sockets to the cluster, and users to games as players or spectators, and removes them. */
export class GameParticipation {
  readonly #parts: GameParticipationOptions;

  constructor(parts: GameParticipationOptions) {
    this.#parts = parts;
  }

  connect(userId: string, socketId: string): Promise<void> {
    const { players, membership } = this.#parts;
    const known = players.socket(userId, socketId);
    if (known !== undefined) {
      known.lastSeen = Date.now();
      return known.opened;
    }
    const socket: PlayerSocket = {
      userId,
      socketId,
      connectionId: membership.nextConnectionId(),
      lastSeen: Date.now(),
      opened: Promise.resolve(),
    };
    const player = players.add(socket);
    socket.opened = this.#open(player, socket);
    return socket.opened;
  }

  async disconnect(socket: PlayerSocket, signOff: boolean): Promise<void> {
    this.#forget(socket);
    await this.#parts.membership.close(socket.connectionId, { signOff });
  }

  async join(userId: string, gameId: string): Promise<void> {
    const { serverId, players, membership, records, feeds } = this.#parts;
    players.require(userId);
    const feed = feeds.get(gameId);
    // A handler that was added before the join must receive the event of the join, so wait for the feed.
    if (feed?.isOpening === true) await feed.attempt.catch(() => undefined);
    const player = players.require(userId);
    alive(player);
    const isNew = players.play(player, gameId);
    const sockets = [...player.sockets.values()];
    const results = await Promise.allSettled([
      ...sockets.map(({ connectionId }) =>
        membership.join(connectionId, gameId, { record: encodeNewGameRecord(serverId) }),
      ),
      this.stopSpectating(userId, gameId),
    ]);
    const failure = results.find((result, i) => {
      const socket = sockets[i];
      // A socket that closed during the join does not make the join fail, unless it was the user's last one.
      const isMissed = socket === undefined || players.get(userId)?.sockets.get(socket.socketId) === socket;
      return result.status === "rejected" && (isMissed || !players.get(userId)?.games.has(gameId));
    });
    if (failure?.status !== "rejected") {
      void records.learn(gameId, isNew);
      return;
    }
    if (isNew) await this.leaveHere(userId, gameId);
    throw failure.reason;
  }

  /** Removes a user from a game on this server. */
  async leaveHere(userId: string, gameId: string): Promise<void> {
    const { players, membership } = this.#parts;
    const player = players.get(userId);
    if (player === undefined) return;
    alive(player);
    if (!players.stopPlaying(player, gameId)) return;
    this.#stoppedPlaying(gameId);
    await awaitAll([...player.sockets.values()].map(({ connectionId }) => membership.leave(connectionId, gameId)));
  }

  /** Removes a user from a game on all servers, including this one. */
  async leave(userId: string, gameId: string): Promise<void> {
    await awaitAll([this.leaveHere(userId, gameId), this.#leaveElsewhere(userId, gameId)]);
  }

  spectate(userId: string, gameId: string): Promise<void> {
    const { players, feeds } = this.#parts;
    const player = players.require(userId);
    alive(player);
    const known = player.watching.get(gameId);
    if (known !== undefined) return known.begun;
    if (player.games.has(gameId)) return Promise.resolve();
    const watching: Watching = { begun: Promise.resolve() };
    const feed = feeds.open(gameId);
    feed.addSpectator();
    players.spectate(player, gameId, watching);
    watching.begun = this.#beginSpectating(player, gameId, watching, feed);
    return watching.begun;
  }

  async stopSpectating(userId: string, gameId: string): Promise<void> {
    const { players, membership } = this.#parts;
    const player = players.get(userId);
    if (player === undefined) return;
    alive(player);
    if (!players.stopSpectating(player, gameId)) return;
    this.#stoppedWatching(gameId);
    const room = spectatorsRoom(gameId);
    await awaitAll([...player.sockets.values()].map(({ connectionId }) => membership.leave(connectionId, room)));
  }

  /** Removes this server's spectators of a game that was removed. */
  async dismissSpectators(gameId: string): Promise<void> {
    await awaitAll(this.#parts.players.spectators(gameId).map(({ userId }) => this.stopSpectating(userId, gameId)));
  }

  /** Removes this server's spectators of games whose session has expired. */
  async dismissStranded(): Promise<void> {
    const { players, records } = this.#parts;
    for (const gameId of players.spectatedGames()) {
      if ((await records.get(gameId)) === undefined) await this.dismissSpectators(gameId);
    }
  }

  async #open(player: Player, socket: PlayerSocket): Promise<void> {
    const { serverId, membership, players } = this.#parts;
    const { connectionId, userId, socketId } = socket;
    const metadata: SocketMetadata = { socketId };
    const games = [...player.games];
    const watched = [...player.watching.keys()];
    // Start all calls in the same event-loop turn, so that the socket is in its user's games after one
    // round trip.
    const [opened, ...joined] = await Promise.allSettled([
      membership.open({ connectionId, userId, metadata }),
      ...games.map((gameId) => membership.join(connectionId, gameId, { record: encodeNewGameRecord(serverId) })),
      ...watched.map((gameId) => membership.join(connectionId, spectatorsRoom(gameId))),
    ]);
    const isStill = (i: number): boolean => {
      const [game, spectated] = [games[i], watched[i - games.length]];
      return game === undefined ? player.watching.has(spectated ?? "") : player.games.has(game);
    };
    const failed = joined.find((result, i) => result.status === "rejected" && isStill(i));
    const failure = opened.status === "rejected" ? opened : failed;
    // If the socket was closed during these calls, the failure no longer matters.
    if (failure?.status !== "rejected" || players.ofConnection(connectionId) !== socket) return;
    this.#forget(socket);
    await membership.close(connectionId, { signOff: true });
    throw failure.reason;
  }

  async #beginSpectating(player: Player, gameId: string, watching: Watching, feed: GameFeed): Promise<void> {
    const { membership, records } = this.#parts;
    const room = spectatorsRoom(gameId);
    const [record, ...joined] = await Promise.allSettled([
      // Read the record only after the feed has been opened: if the record exists then, the feed receives the
      // removal of the game.
      feed.attempt.then(() => records.get(gameId)),
      ...[...player.sockets.values()].map(({ connectionId }) => membership.join(connectionId, room)),
    ]);
    if (player.watching.get(gameId) !== watching) return;
    const failure = [record, ...joined].find((result) => result.status === "rejected");
    if (failure === undefined && record.status === "fulfilled" && record.value !== undefined) return;
    await this.stopSpectating(player.userId, gameId);
    throw failure?.reason ?? new CmError("not-found", "There is no such game.");
  }

  async #leaveElsewhere(userId: string, gameId: string): Promise<void> {
    const { serverId, store, router } = this.#parts;
    const others = (await connectionIdsOf(store.users, userId)).filter((id) => ownerOf(id) !== serverId);
    const outcomes = await Promise.all(
      others.map((id) => router.control(id, { type: "leave", room: gameId }, { timeoutMs: ANSWER_MS })),
    );
    if (!outcomes.includes("timeout")) return;
    throw new CmError("timeout", "Another server did not confirm in time that the user left the game.");
  }

  /**
   * Removes a socket from the local state. If it was the user's last one, the user also stops playing and watching.
   */
  #forget(socket: PlayerSocket): void {
    const { players } = this.#parts;
    const player = players.get(socket.userId);
    if (!players.delete(socket) || player === undefined || player.sockets.size > 0) return;
    for (const gameId of [...player.games]) {
      players.stopPlaying(player, gameId);
      this.#stoppedPlaying(gameId);
    }
    for (const gameId of [...player.watching.keys()]) {
      players.stopSpectating(player, gameId);
      this.#stoppedWatching(gameId);
    }
  }

  #stoppedPlaying(gameId: string): void {
    if (!this.#parts.players.hasPlayers(gameId)) this.#parts.records.forget(gameId);
  }

  #stoppedWatching(gameId: string): void {
    const { feeds } = this.#parts;
    const feed = feeds.get(gameId);
    if (feed === undefined) return;
    feed.deleteSpectator();
    feeds.release(gameId, feed);
  }
}

/**
 * Records activity of the user. It is not known which of the user's sockets was active, so the time is recorded for
 * all of them.
 */
export function alive(player: Player): void {
  for (const socket of player.sockets.values()) socket.lastSeen = Date.now();
}
