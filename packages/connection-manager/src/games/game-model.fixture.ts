import type { GameState } from "@cm/protocol";

/** The indexes of the servers. A history is a sequence of {@link Step}s that a test runs on them. */
export const SERVERS = [0, 1, 2] as const;
export const USERS = ["ann", "bob"] as const;
export const GAMES = ["chess", "go"] as const;

/** One step of a history. `at` is the index of the server that is called. */
export type Step =
  | { readonly do: "connect" | "disconnect"; readonly at: number; readonly user: string; readonly socket: number }
  | {
      readonly do: "join" | "leave" | "spectate" | "stop-spectating";
      readonly at: number;
      readonly user: string;
      readonly game: string;
    }
  | { readonly do: "move-on"; readonly at: number; readonly game: string }
  | { readonly do: "die"; readonly at: number };

/**
 * A step that is not fixed yet: `pick` chooses among the steps that have an effect at this point of the
 * history. Random steps would mostly concern users who are not connected.
 */
export interface Draft {
  readonly step: Step;
  readonly pick: number;
}

/** The view of a game that every server must show. */
export interface SeenGame {
  readonly players: readonly string[];
  readonly spectators: readonly string[];
  readonly state: GameState | undefined;
}

/** A user on one server. */
interface Presence {
  readonly sockets: Set<number>;
  readonly games: Set<string>;
  readonly watching: Set<string>;
}

/** A model of the managers' expected behaviour, as simple as possible. */
export class GameModel {
  readonly #servers = SERVERS.map(() => new Map<string, Presence>());
  readonly #states = new Map<string, GameState>();
  /**
   * The events that handlers of each game must receive for the latest step. `game-removed` comes last;
   * the others may come in any order.
   */
  readonly #events = new Map<string, string[]>();

  /** Applies a step. Returns the error code with which it fails, or `done`. */
  take(step: Step): string {
    this.#events.clear();
    const before = new Map(GAMES.map((game) => [game, this.players(game)]));
    const outcome = this.#take(step);
    for (const game of GAMES) {
      const [was, is] = [before.get(game) ?? [], this.players(game)];
      for (const user of is) if (!was.includes(user)) this.#tell(game, `player-joined ${user}`);
      for (const user of was) if (!is.includes(user)) this.#tell(game, `player-left ${user}`);
      if (is.length > 0) {
        if (was.length === 0) this.#states.set(game, "waiting");
        continue;
      }
      this.#states.delete(game);
      for (const server of this.#servers) for (const { watching } of server.values()) watching.delete(game);
      if (was.length > 0) this.#tell(game, "game-removed");
    }
    return outcome;
  }

  /** Chooses a step of the draft's kind that has an effect, if there is one. */
  choose({ step, pick }: Draft): Step {
    const users = this.#servers.flatMap((server, at) =>
      [...server].map(([user, presence]) => ({ at, user, presence })),
    );
    const meant = users.filter(({ presence }) => this.#makesSense(step, presence));
    const one = meant[pick % Math.max(1, meant.length)];
    if (one === undefined || step.do === "connect") return step;
    const { at, user, presence } = one;
    switch (step.do) {
      case "disconnect":
        return { ...step, at, user, socket: [...presence.sockets][pick % presence.sockets.size] ?? step.socket };
      case "leave":
        // Any server may be called: it asks the servers that hold the user's sockets.
        return { ...step, user };
      case "join":
      case "spectate":
      case "stop-spectating":
        return { ...step, at, user };
      case "move-on":
        return { ...step, at };
      case "die":
        return { do: "die", at };
    }
  }

  /** The events of a game in the latest step. */
  events(game: string): readonly string[] {
    return this.#events.get(game) ?? [];
  }

  players(game: string): string[] {
    return this.#usersWhere(({ games }) => games.has(game));
  }

  game(game: string): SeenGame {
    const players = this.players(game);
    const spectators = this.#usersWhere(({ watching }) => watching.has(game)).filter((user) => !players.includes(user));
    return { players, spectators, state: this.#states.get(game) };
  }

  /** A user's sockets, as `<server>/<socket>: <games>`. */
  connections(user: string): string[] {
    return this.#servers
      .flatMap((server, at) => {
        const { sockets = [], games = [] } = server.get(user) ?? {};
        return [...sockets].map((socket) => `${at}/${socket}: ${[...games].sort().join()}`);
      })
      .sort();
  }

  stats(): { onlineUsers: number; activeGames: number; totalConnections: number } {
    const sockets = this.#servers.flatMap((server) => [...server.values()].map(({ sockets: { size } }) => size));
    return {
      onlineUsers: this.#usersWhere(() => true).length,
      activeGames: this.#states.size,
      totalConnections: sockets.reduce((sum, size) => sum + size, 0),
    };
  }

  /** The state to which a game can move next. */
  nextState(game: string): GameState {
    return this.#states.get(game) === "active" ? "paused" : "active";
  }

  #take(step: Step): string {
    const server = this.#servers[step.at] ?? new Map<string, Presence>();
    if (step.do === "die") {
      server.clear();
      return "done";
    }
    if (step.do === "move-on") {
      if (!this.#states.has(step.game)) return "not-found";
      this.#tell(step.game, "game-state-changed");
      this.#states.set(step.game, this.nextState(step.game));
      return "done";
    }
    const here = server.get(step.user);
    switch (step.do) {
      case "connect":
        if (here === undefined) {
          server.set(step.user, { sockets: new Set([step.socket]), games: new Set(), watching: new Set() });
        } else {
          here.sockets.add(step.socket);
        }
        return "done";
      case "disconnect":
        here?.sockets.delete(step.socket);
        if (here?.sockets.size === 0) server.delete(step.user);
        return "done";
      case "join":
        if (here === undefined) return "not-found";
        here.games.add(step.game);
        here.watching.delete(step.game);
        return "done";
      case "leave":
        for (const each of this.#servers) each.get(step.user)?.games.delete(step.game);
        return "done";
      case "spectate":
        if (here === undefined || !this.#states.has(step.game)) return "not-found";
        if (!here.games.has(step.game)) here.watching.add(step.game);
        return "done";
      case "stop-spectating":
        here?.watching.delete(step.game);
        return "done";
    }
  }

  #makesSense(step: Step, { games, watching }: Presence): boolean {
    switch (step.do) {
      case "leave":
        return games.has(step.game);
      case "join":
        return !games.has(step.game);
      case "spectate":
        return this.#states.has(step.game) && !games.has(step.game) && !watching.has(step.game);
      case "stop-spectating":
        return watching.has(step.game);
      default:
        return true;
    }
  }

  #usersWhere(isMeant: (presence: Presence) => boolean): string[] {
    const isThere = (user: string): boolean =>
      this.#servers.some((server) => {
        const presence = server.get(user);
        return presence !== undefined && isMeant(presence);
      });
    return USERS.filter(isThere);
  }

  #tell(game: string, event: string): void {
    const events = this.#events.get(game);
    if (events === undefined) this.#events.set(game, [event]);
    else events.push(event);
  }
}
