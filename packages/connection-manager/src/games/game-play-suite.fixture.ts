import type { GameState } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { expect } from "vitest";
import { codeOf } from "../error-code.fixture.js";
import { type DefineGameTest, EventRecorder, gameEvent } from "./managers.fixture.js";

/** Tests in which players join, leave, watch and receive events, and games change their state. */
export function describePlay(test: DefineGameTest): void {
  test("go from connect over join and broadcast to leave and disconnect, on two servers", async (managers) => {
    const [{ manager: a }, { manager: b }] = [await managers.start("a"), await managers.start("b")];
    const heard = new EventRecorder();
    await b.onGameEvent("chess", heard.handler).ready;
    await a.connect("ann", "socket-1");
    await b.connect("bob", "socket-1");
    await a.joinGame("ann", "chess");
    await b.joinGame("bob", "chess");
    expect((await a.getOnlinePlayers("chess")).sort()).toEqual(["ann", "bob"]);
    await a.broadcast("chess", { type: "game-move", userId: "ann", data: { to: "e4" }, timestamp: 7 });
    await eventually(() => expect(heard.told).toContain("game-move ann"));
    expect(heard.events.at(-1)).toEqual({
      type: "game-move",
      userId: "ann",
      gameId: "chess",
      data: { to: "e4" },
      timestamp: 7,
      serverInstance: "a",
    });
    await a.leaveGame("ann", "chess");
    expect(await b.getOnlinePlayers("chess")).toEqual(["bob"]);
    await b.disconnect("bob", "socket-1");
    expect(await a.getOnlinePlayers("chess")).toEqual([]);
    expect(await a.getSession("chess")).toBeUndefined();
    await a.disconnect("ann", "socket-1");
    expect(await a.getStats()).toEqual({ onlineUsers: 0, activeGames: 0, totalConnections: 0 });
    await eventually(() =>
      expect(heard.told).toEqual([
        "player-joined ann",
        "player-joined bob",
        "game-move ann",
        "player-left ann",
        "player-left bob",
        "game-removed",
      ]),
    );
  });

  test("are told with every field of a session, of connections and of statistics", async (managers) => {
    const [{ manager: a }, { manager: b }] = [await managers.start("a"), await managers.start("b")];
    const before = Date.now();
    await a.connect("ann", "phone");
    await b.connect("ann", "desk");
    await b.connect("eve", "tv");
    await a.joinGame("ann", "chess");
    await a.joinGame("ann", "go");
    await b.spectateGame("eve", "chess");
    const session = await b.getSession("chess");
    expect(session).toMatchObject({
      id: "chess",
      players: ["ann"],
      spectators: ["eve"],
      state: "waiting",
      serverInstance: "a",
    });
    for (const at of [session?.createdAt, session?.lastActivity]) {
      expect(at).toBeGreaterThan(before - 10_000);
      expect(at).toBeLessThan(Date.now() + 10_000);
    }
    const connections = await b.getConnections("ann");
    expect(connections.sort((x, y) => (x.socketId < y.socketId ? -1 : 1))).toEqual([
      { userId: "ann", socketId: "desk", gameIds: [], lastSeen: expect.any(Number), serverInstance: "b" },
      {
        userId: "ann",
        socketId: "phone",
        gameIds: ["chess", "go"],
        lastSeen: expect.any(Number),
        serverInstance: "a",
      },
    ]);
    expect(await a.getConnections("eve")).toMatchObject([{ socketId: "tv", gameIds: [] }]);
    expect(await a.getConnections("nobody")).toEqual([]);
    expect(await a.getStats()).toEqual({ onlineUsers: 2, activeGames: 2, totalConnections: 3 });
    expect(a.serverInstance).toBe("a");
    // When a master of a Cluster is subscribed to for the first time, delivery must be proven first.
    await expect.poll(() => a.isReady()).toBe(true);
  });

  test("have a player while one of the player's sockets is in them", async (managers) => {
    const { manager } = await managers.start("a");
    const heard = new EventRecorder();
    manager.onGameEvent("chess", heard.handler);
    await manager.connect("ann", "phone");
    await manager.connect("ann", "desk");
    await manager.joinGame("ann", "chess");
    await manager.connect("ann", "tablet");
    expect((await manager.getConnections("ann")).map(({ gameIds }) => gameIds)).toEqual([
      ["chess"],
      ["chess"],
      ["chess"],
    ]);
    expect(await manager.getOnlinePlayers("chess")).toEqual(["ann"]);
    await manager.disconnect("ann", "phone");
    await manager.disconnect("ann", "desk");
    expect(await manager.getOnlinePlayers("chess")).toEqual(["ann"]);
    await manager.disconnect("ann", "tablet");
    await eventually(() => expect(heard.told).toEqual(["player-joined ann", "player-left ann", "game-removed"]));
    expect(heard.events[1]).toMatchObject({ data: { reason: "closed" }, serverInstance: "a", gameId: "chess" });
    // The user's last socket on this server was closed, so a new one is in no games.
    await manager.connect("ann", "phone");
    expect(await manager.getOnlinePlayers("chess")).toEqual([]);
  });

  test("lose a player who leaves, on all servers at once", async (managers) => {
    const [{ manager: a }, { manager: b }] = [await managers.start("a"), await managers.start("b")];
    const heard = new EventRecorder();
    await a.onGameEvent("chess", heard.handler).ready;
    await Promise.all([a.connect("ann", "phone"), b.connect("ann", "desk"), b.connect("ann", "tv")]);
    await Promise.all([a.joinGame("ann", "chess"), b.joinGame("ann", "chess")]);
    await a.leaveGame("ann", "chess");
    expect(await b.getSession("chess")).toBeUndefined();
    await b.connect("ann", "tablet");
    expect((await a.getConnections("ann")).flatMap(({ gameIds }) => gameIds)).toEqual([]);
    expect(await a.getStats()).toMatchObject({ onlineUsers: 1, totalConnections: 4 });
    await eventually(() => expect(heard.told).toEqual(["player-joined ann", "player-left ann", "game-removed"]));
    expect(heard.events[1]).toMatchObject({ data: { reason: "left" } });
  });

  test("can be watched, until the last player has gone", async (managers) => {
    const [{ manager: a }, { manager: b }] = [await managers.start("a"), await managers.start("b")];
    const heard = new EventRecorder();
    await Promise.all([a.connect("ann", "1"), b.connect("eve", "2"), b.connect("bob", "3")]);
    expect(await codeOf(b.spectateGame("eve", "chess"))).toBe("not-found");
    expect(await codeOf(b.spectateGame("nobody", "chess"))).toBe("not-found");
    await a.joinGame("ann", "chess");
    b.onGameEvent("chess", heard.handler);
    await Promise.all([b.spectateGame("eve", "chess"), b.spectateGame("eve", "chess")]);
    await b.spectateGame("bob", "chess");
    await b.connect("eve", "4");
    expect((await a.getSpectators("chess")).sort()).toEqual(["bob", "eve"]);
    await a.broadcast("chess", gameEvent("move"));
    await eventually(() => expect(heard.told).toContain("move"));
    await b.stopSpectating("bob", "chess");
    await b.stopSpectating("bob", "chess");
    expect(await a.getSpectators("chess")).toEqual(["eve"]);
    await a.leaveGame("ann", "chess");
    await eventually(async () => expect(await a.getSpectators("chess")).toEqual([]));
    expect(await a.getSession("chess")).toBeUndefined();
    expect(heard.told.at(-1)).toBe("game-removed");
    // A new game with the same id does not get its former spectators back.
    await a.joinGame("ann", "chess");
    expect((await a.getSession("chess"))?.spectators).toEqual([]);
  });

  test("count whoever joins as a player, and not as a spectator any more", async (managers) => {
    const [{ manager: a }, { manager: b }] = [await managers.start("a"), await managers.start("b")];
    await Promise.all([a.connect("ann", "1"), a.connect("eve", "2"), b.connect("eve", "3")]);
    await a.joinGame("ann", "chess");
    await Promise.all([a.spectateGame("eve", "chess"), b.spectateGame("eve", "chess")]);
    await a.joinGame("eve", "chess");
    expect(await a.getSession("chess")).toMatchObject({ spectators: [] });
    expect(await a.getSpectators("chess")).toEqual([]);
    await a.spectateGame("eve", "chess");
    expect((await a.getOnlinePlayers("chess")).sort()).toEqual(["ann", "eve"]);
    await a.leaveGame("eve", "chess");
    // The user is still a spectator on the other server.
    expect(await a.getSpectators("chess")).toEqual(["eve"]);
  });

  test("move through their states as the table says, each move told once", async (managers) => {
    const [{ manager: a }, { manager: b }] = [await managers.start("a"), await managers.start("b")];
    const heard = new EventRecorder();
    await b.onGameEvent("chess", heard.handler).ready;
    expect(await codeOf(a.setGameState("chess", "active"))).toBe("not-found");
    await a.connect("ann", "1");
    await a.joinGame("ann", "chess");
    expect(await codeOf(a.setGameState("chess", "paused"))).toBe("transition-invalid");
    expect(await codeOf(a.setGameState("chess", "over" as GameState))).toBe("options-invalid"); // An invalid state.
    await a.setGameState("chess", "active");
    await b.setGameState("chess", "paused");
    expect(await b.getSession("chess")).toMatchObject({ state: "paused", serverInstance: "a" });
    const racing = await Promise.all(
      ["a", "b"].map((id) => codeOf((id === "a" ? a : b).setGameState("chess", "active"))),
    );
    expect(racing.sort()).toEqual(["done", "transition-invalid"]);
    await b.setGameState("chess", "completed");
    expect(await codeOf(a.setGameState("chess", "active"))).toBe("transition-invalid");
    await eventually(() => expect(heard.told).toHaveLength(5));
    const states = heard.events.filter(({ type }) => type === "game-state-changed");
    expect(states.map(({ data }) => data)).toEqual([
      { state: "active" },
      { state: "paused" },
      { state: "active" },
      { state: "completed" },
    ]);
  });

  test("run out without activity, and last with it", async (managers) => {
    const { manager } = await managers.start("a");
    await Promise.all([manager.connect("ann", "1"), manager.connect("eve", "2")]);
    await manager.joinGame("ann", "quiet");
    await manager.joinGame("ann", "busy");
    await manager.spectateGame("eve", "quiet");
    await eventually(
      async () => {
        await manager.broadcast("busy", gameEvent("move"));
        expect(await manager.getSession("quiet")).toBeUndefined();
      },
      { intervalMs: 100 },
    );
    expect(await manager.getSession("busy")).toMatchObject({ players: ["ann"] });
    expect(await manager.getStats()).toMatchObject({ activeGames: 1 });
    expect(await manager.getOnlinePlayers("quiet")).toEqual(["ann"]);
    expect(await manager.getSpectators("quiet")).toEqual(["eve"]);
    await manager.cleanupStaleConnections();
    expect(await manager.getSpectators("quiet")).toEqual([]);
  }, 1_500);

  test("have handlers that are put on, taken off, and may throw", async (managers) => {
    const { manager, errors } = await managers.start("a");
    const [first, second, always] = [new EventRecorder(), new EventRecorder(), new EventRecorder()];
    const throwing = (): void => {
      throw new Error("a handler's own fault");
    };
    const rejecting = async (): Promise<void> => {
      throw new Error("a handler's own fault");
    };
    for (const handler of [throwing, rejecting, first.handler, first.handler]) manager.onGameEvent("chess", handler);
    const off = manager.onGameEvent("chess", second.handler);
    manager.onGameEvent("chess", always.handler);
    await off.ready;
    await manager.broadcast("chess", gameEvent("one"));
    await eventually(() => expect(second.told).toEqual(["one"]));
    off();
    off();
    await manager.broadcast("chess", gameEvent("two"));
    await eventually(() => expect(first.told).toEqual(["one", "two"]));
    expect(second.told).toEqual(["one"]);
    expect(errors.map(({ error, stage }) => [stage, error.code, error.details])).toEqual([
      ["handler", "internal", { gameId: "chess" }],
      ["handler", "internal", { gameId: "chess" }],
    ]);
    for (const handler of [throwing, rejecting, first.handler, second.handler]) manager.offGameEvent("chess", handler);
    manager.offGameEvent("never", first.handler);
    await manager.broadcast("chess", gameEvent("three"));
    await eventually(() => expect(always.told).toEqual(["one", "two", "three"]));
    manager.offGameEvent("chess", always.handler);
    const again = manager.onGameEvent("chess", second.handler);
    await again.ready;
    await manager.broadcast("chess", gameEvent("four"));
    await eventually(() => expect(second.told).toEqual(["one", "four"]));
    expect(first.told).toEqual(["one", "two"]);
    const gone = manager.onGameEvent("go", first.handler);
    gone();
    expect(await codeOf(gone.ready)).toBe("closed");
  });

  test("tell of a handler that takes another off, and of events in one order on all servers", async (managers) => {
    const [{ manager: a }, { manager: b }] = [await managers.start("a"), await managers.start("b")];
    const [onA, onB, late] = [new EventRecorder(), new EventRecorder(), new EventRecorder()];
    await a.onGameEvent("chess", () => a.offGameEvent("chess", late.handler)).ready;
    await Promise.all([a.onGameEvent("chess", onA.handler).ready, b.onGameEvent("chess", onB.handler).ready]);
    a.onGameEvent("chess", late.handler);
    await Promise.all(
      Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? a : b).broadcast("chess", gameEvent(`move-${i}`))),
    );
    await eventually(() => expect([onA.told.length, onB.told.length]).toEqual([40, 40]));
    expect(onA.told).toEqual(onB.told);
    expect(late.told).toEqual([]);
  });
}
