import { createRedisStore } from "@cm/redis-store";
import { eventually, freshPrefix, keysLeftUnder } from "@cm/test-kit";
import fc from "fast-check";
import { expect, inject, it } from "vitest";
import { codeOf } from "../error-code.fixture.js";
import type { ConnectionManager } from "./connection-manager.js";
import { createConnectionManager } from "./game-connection-manager.js";
import { GAMES, USERS } from "./game-model.fixture.js";
import { EventRecorder, gameEvent } from "./managers.fixture.js";

const SERVERS = [0, 1] as const;
const SOCKETS = [0, 1] as const;

/** The possible results of calls that overlap. */
const OUTCOMES = ["done", "not-found", "transition-invalid"];

const call = fc.record({
  do: fc.constantFrom(
    ...(["connect", "connect", "disconnect", "join", "join", "leave", "spectate", "stop", "activate", "say"] as const),
  ),
  at: fc.constantFrom(...SERVERS),
  user: fc.constantFrom(...USERS),
  socket: fc.constantFrom(...SOCKETS),
  game: fc.constantFrom(...GAMES),
});
type Call = typeof call extends fc.Arbitrary<infer T> ? T : never;

/**
 * Generates bursts of calls. All calls of a burst are made in one event-loop turn, and a burst ends before
 * the next one begins.
 */
const bursts = fc.array(fc.array(call, { minLength: 2, maxLength: 12 }), { minLength: 1, maxLength: 3 });

async function make(manager: ConnectionManager | undefined, { do: what, user, socket, game }: Call): Promise<void> {
  if (manager === undefined) throw new Error("There is no such server.");
  const name = `${user}-${socket}`;
  switch (what) {
    case "connect":
      return manager.connect(user, name);
    case "disconnect":
      return manager.disconnect(user, name, { signOff: true });
    case "join":
      return manager.joinGame(user, game);
    case "leave":
      return manager.leaveGame(user, game);
    case "spectate":
      return manager.spectateGame(user, game);
    case "stop":
      return manager.stopSpectating(user, game);
    case "activate":
      return manager.setGameState(game, "active");
    case "say":
      return manager.broadcast(game, gameEvent("definedOnly"));
  }
}

/** The current players according to the events of a handler. Each event must change the players. */
function playersTold(events: readonly string[]): string[] {
  const players = new Set<string>();
  for (const event of events) {
    const [type, user = ""] = event.split(" ");
    if (type === "player-joined") {
      expect(players, events.join()).not.toContain(user);
      players.add(user);
    } else if (type === "player-left") {
      expect(players, events.join()).toContain(user);
      players.delete(user);
    } else if (type === "game-removed") {
      expect([...players], events.join()).toEqual([]);
    }
  }
  return [...players].sort();
}

it("shows the same state on all servers, in whatever order calls overtake each other", async () => {
  const [redisUrl, prefix] = [inject("redisUrl"), freshPrefix()];
  const stores = SERVERS.map(() => createRedisStore({ url: redisUrl, prefix }));
  await Promise.all(stores.map((store) => store.start()));
  const errors: string[] = [];
  const managers = await Promise.all(
    stores.map((store, i) =>
      createConnectionManager({
        store,
        serverInstance: `server-${i}`,
        offlineGraceMs: 0,
        onError: ({ code, message }, { stage }) => errors.push(`${stage} ${code} ${message}`),
      }),
    ),
  );
  const heard = managers.map(() => GAMES.map(() => new EventRecorder()));
  await Promise.all(
    managers.map((manager, i) =>
      Promise.all(GAMES.map((game, g) => manager.onGameEvent(game, heard[i]?.[g]?.handler ?? (() => {})).ready)),
    ),
  );

  /** Waits until both servers return the same consistent data. */
  const settle = async (): Promise<void> => {
    await eventually(
      async () => {
        const connections = (
          await Promise.all(USERS.map((user, i) => (managers[i % 2] ?? managers[0])?.getConnections(user) ?? []))
        ).flat();
        for (const manager of managers) {
          expect(await manager.getStats()).toEqual({
            onlineUsers: new Set(connections.map(({ userId }) => userId)).size,
            activeGames: new Set(connections.flatMap(({ gameIds }) => gameIds)).size,
            totalConnections: connections.length,
          });
        }
        for (const [g, game] of GAMES.entries()) {
          const players = USERS.filter((user) =>
            connections.some(({ userId, gameIds }) => userId === user && gameIds.includes(game)),
          );
          for (const [i, manager] of managers.entries()) {
            const [session, spectators] = [await manager.getSession(game), await manager.getSpectators(game)];
            expect(session?.players.toSorted() ?? []).toEqual(players);
            expect(session?.spectators.toSorted() ?? []).toEqual(spectators.toSorted());
            expect(playersTold(heard[i]?.[g]?.told ?? [])).toEqual(players);
          }
        }
        // A user's sockets on one server must be in the same games.
        for (const user of USERS) {
          for (const server of SERVERS) {
            const games = connections
              .filter(({ userId, serverInstance }) => userId === user && serverInstance === `server-${server}`)
              .map(({ gameIds }) => gameIds.toSorted().join());
            expect(new Set(games).size).toBeLessThanOrEqual(1);
          }
        }
      },
      { timeoutMs: 5_000, intervalMs: 1 },
    );
  };

  try {
    await fc.assert(
      fc.asyncProperty(bursts, async (history) => {
        for (const burst of history) {
          const outcomes = await Promise.all(burst.map((each) => codeOf(make(managers[each.at], each))));
          for (const outcome of outcomes) expect(OUTCOMES).toContain(outcome);
          await settle();
        }
        await Promise.all(
          managers.flatMap((manager) =>
            USERS.flatMap((user) =>
              SOCKETS.map((socket) => manager.disconnect(user, `${user}-${socket}`, { signOff: true })),
            ),
          ),
        );
        await settle();
        expect(await managers[0]?.getStats()).toEqual({ onlineUsers: 0, activeGames: 0, totalConnections: 0 });
      }),
      { numRuns: 100, ...(process.env.CM_SEED === undefined ? {} : { seed: Number(process.env.CM_SEED) }) },
    );
    expect(errors).toEqual([]);
  } finally {
    for (const manager of managers) await manager.shutdown();
    for (const store of stores) await store.close();
  }
  const left = (await keysLeftUnder(redisUrl, `${prefix}:`)).filter((key) => !key.includes("}:roster:"));
  expect(left).toEqual([`${prefix}:layout`]);
}, 120_000);
