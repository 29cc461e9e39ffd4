import { setImmediate as turn } from "node:timers/promises";
import type { StoreHarness } from "@cm/contract-tests/store";
import type { Store } from "@cm/protocol";
import fc from "fast-check";
import { expect, it } from "vitest";
import { codeOf } from "../error-code.fixture.js";
import type { ConnectionManager } from "./connection-manager.js";
import { createConnectionManager } from "./game-connection-manager.js";
import { type Draft, GAMES, GameModel, SERVERS, type Step, USERS } from "./game-model.fixture.js";
import { EventRecorder } from "./managers.fixture.js";

/** How long the effects of a step may take to be visible on all servers, in milliseconds. */
const PATIENCE_MS = 5_000;

const at = fc.constantFrom(...SERVERS);
const user = fc.constantFrom(...USERS);
const game = fc.constantFrom(...GAMES);
const socket = fc.constantFrom(0, 1);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant("connect" as const), at, user, socket }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("disconnect" as const), at, user, socket }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("join" as const), at, user, game }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("leave" as const), at, user, game }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("spectate" as const), at, user, game }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("stop-spectating" as const), at, user, game }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("move-on" as const), at, game }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("die" as const), at }) },
);

const draft: fc.Arbitrary<Draft> = fc.record({ step, pick: fc.nat({ max: 11 }) });

/** Generates histories, each of which begins with two connections. */
const history = fc.tuple(
  fc.array(fc.record({ do: fc.constant("connect" as const), at, user, socket }), { minLength: 2, maxLength: 2 }),
  fc.array(draft, { minLength: 1, maxLength: 10, size: "max" }),
);

interface Server {
  readonly manager: ConnectionManager;
  readonly store: Store;
  /** The event recorder of each game. */
  readonly heard: ReadonlyMap<string, EventRecorder>;
}

/** Three managers on one store. One of them may die and be replaced. */
class Cluster {
  readonly #harness: StoreHarness;
  readonly #servers: Server[] = [];
  #started = 0;

  constructor(harness: StoreHarness) {
    this.#harness = harness;
  }

  async start(): Promise<void> {
    for (const place of SERVERS) this.#servers[place] = await this.#startServer();
  }

  server(place: number): Server {
    const server = this.#servers[place];
    if (server === undefined) throw new Error(`There is no server ${place}.`);
    return server;
  }

  placeOf(serverInstance: string): number {
    return this.#servers.findIndex(({ manager }) => manager.serverInstance === serverInstance);
  }

  /** Ends a server as a crash does, lets its lease expire, and has another server clean up. */
  async replace(place: number): Promise<void> {
    const { manager, store } = this.server(place);
    await store.close();
    await manager.shutdown();
    const { servers } = this.#harness.store;
    const info = (await servers.snapshot()).living.find(({ serverId }) => serverId === manager.serverInstance);
    if (info === undefined) throw new Error("The server that died held no lease.");
    await servers.acquire(info, 1);
    while ((await servers.snapshot()).living.some(({ serverId }) => serverId === info.serverId)) await turn();
    await this.server((place + 1) % SERVERS.length).manager.cleanupStaleConnections();
    this.#servers[place] = await this.#startServer();
  }

  async close(): Promise<void> {
    for (const { manager } of this.#servers) await manager.shutdown();
    await this.#harness.close();
  }

  async #startServer(): Promise<Server> {
    const store = await this.#harness.peer();
    const manager = await createConnectionManager({
      store,
      serverInstance: `server-${this.#started++}`,
      offlineGraceMs: 0,
      // When a server dies, its store is closed while the manager is still running, so errors are
      // expected.
      onError: () => undefined,
    });
    const heard = new Map(GAMES.map((each) => [each, new EventRecorder()]));
    await Promise.all([...heard].map(([each, { handler }]) => manager.onGameEvent(each, handler).ready));
    return { manager, store, heard };
  }
}

/**
 * After each step of any history of connecting, joining, leaving, watching and dying, every server must
 * show the same state as a simple model.
 */
export function itFollowsTheModel(name: string, createHarness: () => Promise<StoreHarness>, numRuns: number): void {
  it(`shows what ${numRuns} histories on ${name} come to, after every step, to every server`, async () => {
    let cluster: Cluster | undefined;
    const seed = process.env.CM_SEED;
    try {
      await fc.assert(
        fc.asyncProperty(history, async ([beginning, drafts]) => {
          if (cluster === undefined) {
            cluster = new Cluster(await createHarness());
            await cluster.start();
          }
          const taken: Step[] = [];
          try {
            const model = new GameModel();
            const take = async (each: Step): Promise<void> => {
              taken.push(each);
              if (cluster !== undefined) await follow(cluster, model, each);
            };
            for (const each of beginning) await take(each);
            for (const each of drafts) await take(model.choose(each));
            await emptyOut(cluster, model);
          } catch (error) {
            // The next history must begin with an empty cluster.
            await cluster.close();
            cluster = undefined;
            throw new Error(`After ${taken.map((each) => JSON.stringify(each)).join(" ")}`, { cause: error });
          }
        }),
        { numRuns, ...(seed === undefined ? {} : { seed: Number(seed) }) },
      );
    } finally {
      await cluster?.close();
    }
  }, 120_000);
}

async function follow(cluster: Cluster, model: GameModel, each: Step): Promise<void> {
  for (const place of SERVERS) for (const { events } of cluster.server(place).heard.values()) events.length = 0;
  const expected = each.do === "move-on" ? model.nextState(each.game) : undefined;
  const dead = each.do === "die" ? each.at : undefined;
  const outcome = await codeOf(carryOut(cluster, each, expected));
  expect(outcome).toBe(model.take(each));
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      await compare(cluster, model, dead);
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await turn();
    }
  }
}

async function carryOut(cluster: Cluster, each: Step, state: ReturnType<GameModel["nextState"]> | undefined) {
  const { manager } = cluster.server(each.at);
  switch (each.do) {
    case "connect":
      return manager.connect(each.user, socketName(each));
    case "disconnect":
      return manager.disconnect(each.user, socketName(each));
    case "join":
      return manager.joinGame(each.user, each.game);
    case "leave":
      return manager.leaveGame(each.user, each.game);
    case "spectate":
      return manager.spectateGame(each.user, each.game);
    case "stop-spectating":
      return manager.stopSpectating(each.user, each.game);
    case "move-on":
      return manager.setGameState(each.game, state ?? "active");
    case "die":
      return cluster.replace(each.at);
  }
}

async function compare(cluster: Cluster, model: GameModel, dead: number | undefined): Promise<void> {
  for (const place of SERVERS) {
    // The replacement of a server that died in this step started after the step's events were published.
    if (place === dead) continue;
    for (const [name, { told }] of cluster.server(place).heard) {
      expect(told.toSorted()).toEqual(model.events(name).toSorted());
      if (told.includes("game-removed")) expect(told.at(-1)).toBe("game-removed");
    }
  }
  // Each server is called for one kind of data, which changes with every comparison.
  const ask = (turnOf: number): ConnectionManager => cluster.server((turnOf + asked) % SERVERS.length).manager;
  asked++;
  const [stats, sessions, players, connections] = await Promise.all([
    ask(0).getStats(),
    Promise.all(GAMES.map((name, i) => ask(i).getSession(name))),
    Promise.all(GAMES.map((name, i) => ask(i + 1).getOnlinePlayers(name))),
    Promise.all(USERS.map((name, i) => ask(i).getConnections(name))),
  ]);
  expect(stats).toEqual(model.stats());
  for (const [i, name] of GAMES.entries()) {
    const [seen, session] = [model.game(name), sessions[i]];
    expect(players[i]?.toSorted()).toEqual(seen.players);
    expect(session?.state).toBe(seen.state);
    expect(session?.players.toSorted() ?? []).toEqual(seen.players);
    expect(session?.spectators.toSorted() ?? []).toEqual(seen.spectators);
  }
  for (const [i, name] of USERS.entries()) {
    const lines = connections[i]?.map(
      ({ serverInstance, socketId, gameIds }) =>
        `${cluster.placeOf(serverInstance)}/${socketId.slice(-1)}: ${gameIds.toSorted().join()}`,
    );
    expect(lines?.toSorted()).toEqual(model.connections(name));
  }
}

/** Number of comparisons so far; selects the servers that are called. */
let asked = 0;

/** Closes every connection, and checks that no player and no data is left. */
async function emptyOut(cluster: Cluster, model: GameModel): Promise<void> {
  for (const place of SERVERS) {
    for (const name of USERS) {
      for (const each of [0, 1]) {
        const last = { do: "disconnect", at: place, user: name, socket: each } as const;
        if (model.connections(name).some((line) => line.startsWith(`${place}/${each}:`))) {
          await follow(cluster, model, last);
        }
      }
    }
  }
  expect(model.stats()).toEqual({ onlineUsers: 0, activeGames: 0, totalConnections: 0 });
}

function socketName({ user: name, socket: number }: { readonly user: string; readonly socket: number }): string {
  return `${name}-${number}`;
}
