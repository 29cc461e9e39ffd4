import { askRedis, eventually, freshPrefix, keysLeftUnder, startRedis } from "@cm/test-kit";
import { expect, inject, it, onTestFinished } from "vitest";
import { createConnectionManager } from "./game-connection-manager.js";
import type { ConnectionManagerOptions } from "./game-options.js";
import { EventRecorder, gameEvent } from "./managers.fixture.js";

const BRIEF = { heartbeatInterval: 500, heartbeatTTL: 5, offlineGraceMs: 0, onError: () => undefined };

async function start(options: ConnectionManagerOptions) {
  const manager = await createConnectionManager({ ...BRIEF, ...options });
  onTestFinished(() => manager.shutdown());
  return manager;
}

it("restores games that Redis lost, and announces no departure", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const [a, b] = [
    await start({ redisUrl: redis.url, serverInstance: "a" }),
    await start({ redisUrl: redis.url, serverInstance: "b" }),
  ];
  const heard = new EventRecorder();
  await b.onGameEvent("chess", heard.handler).ready;
  await Promise.all([a.connect("ann", "1"), b.connect("bob", "2"), b.connect("eve", "3"), a.connect("cat", "4")]);
  await a.joinGame("ann", "chess");
  await b.joinGame("bob", "chess");
  await b.joinGame("bob", "go");
  await b.spectateGame("eve", "chess");
  await a.setGameState("chess", "active");
  await eventually(() => expect(heard.told).toContain("game-state-changed"));
  const before = await a.getSession("chess");
  await askRedis(redis.port, "FLUSHALL");
  await eventually(async () => {
    const session = await a.getSession("chess");
    expect(session).toEqual({
      ...before,
      players: expect.toSatisfy((players: string[]) => players.toSorted().join() === "ann,bob"),
      lastActivity: expect.any(Number),
    });
    expect(await b.getStats()).toEqual({ onlineUsers: 4, activeGames: 2, totalConnections: 4 });
  });
  expect(await b.getConnections("bob")).toMatchObject([{ socketId: "2", gameIds: ["chess", "go"] }]);
  // Later events are received as before, and no event was reported that did not occur.
  await a.joinGame("cat", "chess");
  await a.broadcast("chess", gameEvent("move"));
  await eventually(() => expect(heard.told).toEqual(expect.arrayContaining(["player-joined cat", "move"])));
  await a.leaveGame("ann", "chess");
  await eventually(() => expect(heard.told).toContain("player-left ann"));
  expect(heard.told.slice(0, 3)).toEqual(["player-joined ann", "player-joined bob", "game-state-changed"]);
  expect(heard.told.slice(3).sort()).toEqual(["move", "player-joined cat", "player-left ann"]);
  expect(await b.getSpectators("chess")).toEqual(["eve"]);
});

it("leaves nothing in Redis after all have left", async () => {
  const [redisUrl, prefix] = [inject("redisUrl"), freshPrefix()];
  const managers = [
    await start({ redisUrl, prefix, serverInstance: "a" }),
    await start({ redisUrl, prefix, serverInstance: "b" }),
  ];
  await Promise.all(
    Array.from({ length: 40 }, async (_, i) => {
      const manager = managers[i % 2];
      const [user, game] = [`user-${i % 13}`, `game-${i % 7}`];
      await manager?.connect(user, `socket-${i}`);
      await manager?.joinGame(user, game);
      await manager?.broadcast(game, gameEvent("move"));
      if (i % 3 === 0) await manager?.leaveGame(user, game);
      if (i % 5 === 0) await manager?.disconnect(user, `socket-${i}`);
      if (i % 4 === 0) await manager?.spectateGame(user, "game-1").catch(() => undefined); // The game may be gone.
    }),
  );
  expect((await keysLeftUnder(redisUrl, `${prefix}:`)).length).toBeGreaterThan(20);
  for (const manager of managers) await manager.shutdown();
  // Requests to announce roster changes may still exist for a while.
  const left = (await keysLeftUnder(redisUrl, `${prefix}:`)).filter((key) => !key.includes("}:roster:"));
  expect(left).toEqual([`${prefix}:layout`]);
});

it("fails with a code while Redis is away, and works again afterwards", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const manager = await start({ redisUrl: redis.url });
  await manager.connect("ann", "1");
  await manager.joinGame("ann", "chess");
  await redis.pause();
  expect(await manager.broadcast("chess", gameEvent("move")).catch(({ code }) => code)).toMatch(/unavailable|timeout/);
  expect(await manager.connect("bob", "2").catch(({ code }) => code)).toMatch(/unavailable|timeout/);
  await redis.resume();
  await eventually(async () => {
    expect(manager.isReady()).toBe(true);
    await manager.connect("bob", "2");
    expect(await manager.getStats()).toEqual({ onlineUsers: 2, activeGames: 1, totalConnections: 2 });
  });
});

it("existing games are restored after FLUSHALL, expired ones are not", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const options = { redisUrl: redis.url, sessionTTL: 1.5 };
  const [a, b] = [await start({ ...options, serverInstance: "a" }), await start({ ...options, serverInstance: "b" })];
  await Promise.all([a.connect("ann", "1"), a.connect("bob", "2"), b.connect("eve", "3")]);
  for (const game of ["chess", "go"]) {
    await a.joinGame("ann", game);
    await a.setGameState(game, "active");
  }
  await eventually(async () => expect((await a.getStats()).activeGames).toBe(0));
  // This server creates one game again. Another server creates the other one, whose record this server reads
  // during its clean-up.
  await a.joinGame("bob", "chess");
  await b.joinGame("eve", "go");
  const made = await Promise.all([a.getSession("chess"), a.getSession("go")]);
  await a.cleanupStaleConnections();
  await askRedis(redis.port, "FLUSHALL");
  const restored = await eventually(async () => {
    const sessions = await Promise.all([a.getSession("chess"), a.getSession("go")]);
    if (sessions.includes(undefined)) throw new Error("Not both games are there.");
    return sessions;
  });
  expect(restored).toMatchObject(made.map((session) => ({ state: "waiting", createdAt: session?.createdAt })));
});
