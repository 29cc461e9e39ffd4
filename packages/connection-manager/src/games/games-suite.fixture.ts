import type { HarnessFactory } from "@cm/contract-tests/store";
import type { ERROR_CODES, GameEvent, GameState } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { describe, expect, it } from "vitest";
import { GAME_ID_MAX_BYTES } from "./game-names.js";
import { codeOf, EventRecorder, gameEvent, TestManagers } from "./managers.fixture.js";

/** What a manager of games promises on any store; sessions there last for `roomRecordTtlMs`. */
export function describeGames(
  name: string,
  createHarness: (roomRecordTtlMs?: number) => ReturnType<HarnessFactory>,
): void {
  /** A test with managers of its own, which are closed whatever happens. */
  function promise(sentence: string, body: (managers: TestManagers) => Promise<void>, roomRecordTtlMs?: number): void {
    it(sentence, async () => {
      const managers = new TestManagers(await createHarness(roomRecordTtlMs));
      try {
        await body(managers);
      } finally {
        await managers.close();
      }
    });
  }

  describe(`games on ${name}`, () => {
    promise("go from connect over join and broadcast to leave and disconnect, on two servers", async (managers) => {
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

    promise("are told with every field of a session, of connections and of statistics", async (managers) => {
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
      // A master of a Cluster that is listened to for the first time has to prove itself.
      await expect.poll(() => a.isReady()).toBe(true);
    });

    promise("have a player while one of the player's sockets is in them", async (managers) => {
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
      // It was the last socket here: a new one starts afresh.
      await manager.connect("ann", "phone");
      expect(await manager.getOnlinePlayers("chess")).toEqual([]);
    });

    promise("lose a player who leaves, on all servers at once", async (managers) => {
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

    promise("can be watched, until the last player has gone", async (managers) => {
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
      // A new game of that name does not bring its former spectators back.
      await a.joinGame("ann", "chess");
      expect((await a.getSession("chess"))?.spectators).toEqual([]);
    });

    promise("count whoever joins as a player, and not as a spectator any more", async (managers) => {
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
      // Still watching on the other server.
      expect(await a.getSpectators("chess")).toEqual(["eve"]);
    });

    promise("move through their states as the table says, each move told once", async (managers) => {
      const [{ manager: a }, { manager: b }] = [await managers.start("a"), await managers.start("b")];
      const heard = new EventRecorder();
      await b.onGameEvent("chess", heard.handler).ready;
      expect(await codeOf(a.setGameState("chess", "active"))).toBe("not-found");
      await a.connect("ann", "1");
      await a.joinGame("ann", "chess");
      expect(await codeOf(a.setGameState("chess", "paused"))).toBe("transition-invalid");
      expect(await codeOf(a.setGameState("chess", "over" as GameState))).toBe("options-invalid"); // No state on purpose.
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

    promise(
      "run out without activity, and last with it",
      async (managers) => {
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
      },
      1_500,
    );

    promise("have handlers that are put on, taken off, and may throw", async (managers) => {
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
      for (const handler of [throwing, rejecting, first.handler, second.handler])
        manager.offGameEvent("chess", handler);
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

    promise("tell of a handler that takes another off, and of events in one order on all servers", async (managers) => {
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

    promise("survive a server that dies: its players leave once, wherever one listens", async (managers) => {
      const dying = await managers.start("dying", { heartbeatInterval: 400, heartbeatTTL: 1 });
      // Only the clean-up that is asked for finds it.
      const slow = { heartbeatInterval: 10_000, heartbeatTTL: 30 };
      const [a, b] = [await managers.start("a", slow), await managers.start("b", slow)];
      const [onA, onB] = [new EventRecorder(), new EventRecorder()];
      await Promise.all([
        a.manager.onGameEvent("chess", onA.handler).ready,
        b.manager.onGameEvent("chess", onB.handler).ready,
      ]);
      await Promise.all([dying.manager.connect("ann", "1"), dying.manager.connect("bob", "2")]);
      await Promise.all([a.manager.connect("ann", "3"), b.manager.connect("eve", "4")]);
      await dying.manager.joinGame("ann", "chess");
      await dying.manager.joinGame("bob", "chess");
      await a.manager.joinGame("ann", "chess");
      await dying.manager.joinGame("bob", "go");
      await b.manager.spectateGame("eve", "go");
      await managers.kill(dying);
      await managers.harness.letTimePass(1_000);
      await eventually(async () => {
        expect((await a.store.servers.snapshot()).living.map(({ serverId }) => serverId)).not.toContain("dying");
      });
      expect(await a.manager.getOnlinePlayers("chess")).toEqual(["ann"]);
      const removed = await Promise.all([a, b].map(({ manager }) => manager.cleanupStaleConnections()));
      expect(removed.reduce((sum, count) => sum + count, 0)).toBe(2);
      expect(await a.manager.getStats()).toEqual({ onlineUsers: 2, activeGames: 1, totalConnections: 2 });
      for (const heard of [onA, onB]) {
        await eventually(() => expect(heard.told).toContain("player-left bob"));
        expect(heard.told.filter((line) => line.startsWith("player-left"))).toEqual(["player-left bob"]);
        expect(heard.events.at(-1)).toMatchObject({ data: { reason: "lost" }, serverInstance: "dying" });
      }
      await eventually(async () => expect(await a.manager.getSpectators("go")).toEqual([]));
    });

    promise("lose sockets that gave no sign of life for long, and tell whose they were", async (managers) => {
      const stale: unknown[] = [];
      const { manager } = await managers.start("a", {
        staleConnectionTimeout: 1_000,
        onStale: (connection) => stale.push(connection),
      });
      await Promise.all([manager.connect("ann", "silent"), manager.connect("bob", "lively")]);
      await manager.joinGame("ann", "chess");
      expect(await manager.cleanupStaleConnections()).toBe(0);
      await eventually(async () => {
        manager.touch("bob", "lively");
        expect(await manager.cleanupStaleConnections()).toBe(1);
      });
      expect(stale).toEqual([{ userId: "ann", socketId: "silent" }]);
      expect(await manager.getSession("chess")).toBeUndefined();
      expect(await manager.getStats()).toEqual({ onlineUsers: 1, activeGames: 0, totalConnections: 1 });
      manager.touch("ann", "silent");
      expect(await manager.getConnections("ann")).toEqual([]);
    });

    promise("lose stale sockets by themselves too, and keep those whose users are active", async (managers) => {
      const { manager } = await managers.start("a", { staleConnectionTimeout: 1_000, cleanupInterval: 100 });
      await Promise.all([manager.connect("ann", "1"), manager.connect("bob", "2")]);
      await eventually(
        async () => {
          await manager.broadcast("chess", { type: "move", userId: "bob", timestamp: 1 });
          expect(await manager.getConnections("ann")).toEqual([]);
        },
        { intervalMs: 100 },
      );
      expect(await manager.getConnections("bob")).toHaveLength(1);
    });

    promise("keep a user online for the grace period, but one who signs off", async (managers) => {
      const { manager } = await managers.start("a", { offlineGraceMs: 3_600_000 });
      await Promise.all([manager.connect("ann", "1"), manager.connect("bob", "2")]);
      await manager.disconnect("ann", "1");
      await manager.disconnect("bob", "2", { signOff: true });
      expect(await manager.getStats()).toEqual({ onlineUsers: 1, activeGames: 0, totalConnections: 0 });
    });

    promise("take what is done twice, and what was never there, as nothing", async (managers) => {
      const { manager, errors } = await managers.start("a");
      await Promise.all([manager.connect("ann", "1"), manager.connect("ann", "1")]);
      await manager.connect("ann", "1");
      expect(await codeOf(manager.connect("bob", "1"))).toBe("id-invalid");
      await Promise.all([manager.joinGame("ann", "chess"), manager.joinGame("ann", "chess")]);
      await manager.joinGame("ann", "chess");
      expect(await manager.getConnections("ann")).toMatchObject([{ gameIds: ["chess"] }]);
      expect(await codeOf(manager.joinGame("bob", "chess"))).toBe("not-found");
      for (const call of [
        manager.leaveGame("bob", "chess"),
        manager.leaveGame("ann", "go"),
        manager.disconnect("ann", "2"),
        manager.disconnect("bob", "1"),
        manager.stopSpectating("bob", "chess"),
      ]) {
        await call;
      }
      manager.touch("bob", "1");
      expect(await manager.getOnlinePlayers("chess")).toEqual(["ann"]);
      await manager.leaveGame("ann", "chess");
      await manager.leaveGame("ann", "chess");
      await manager.disconnect("ann", "1");
      await manager.disconnect("ann", "1");
      await manager.connect("bob", "1");
      await manager.disconnect("bob", "1");
      expect(await manager.getStats()).toEqual({ onlineUsers: 0, activeGames: 0, totalConnections: 0 });
      expect(errors).toEqual([]);
    });

    promise("settle calls that overtake each other, and leave nothing behind", async (managers) => {
      const { manager } = await managers.start("a");
      const opened = manager.connect("ann", "1");
      const joined = codeOf(manager.joinGame("ann", "chess"));
      const closed = manager.disconnect("ann", "1");
      await Promise.all([opened, closed]);
      expect(await joined).toBe("not-found");
      await manager.connect("ann", "1");
      const [joining, leaving] = [codeOf(manager.joinGame("ann", "chess")), manager.leaveGame("ann", "chess")];
      await leaving;
      expect(await joining).toBe("not-found");
      const watching = codeOf(manager.spectateGame("ann", "chess"));
      await manager.stopSpectating("ann", "chess");
      expect(["not-found", "done"]).toContain(await watching);
      await manager.disconnect("ann", "1");
      expect(await manager.getSession("chess")).toBeUndefined();
      expect(await manager.getStats()).toEqual({ onlineUsers: 0, activeGames: 0, totalConnections: 0 });
    });

    promise("refuse odd ids with a code and take every odd but sound one", async (managers) => {
      const { manager, store } = await managers.start("a");
      const odd = ["", "\ud800", "x".repeat(256), 7, undefined, null, {}] as string[]; // Not text on purpose.
      for (const id of odd) {
        for (const call of [
          () => manager.connect(id, "1"),
          () => manager.connect("ann", id),
          () => manager.disconnect(id, "1"),
          () => manager.disconnect("ann", id),
          () => manager.touch(id, "1"),
          () => manager.joinGame(id, "chess"),
          () => manager.joinGame("ann", id),
          () => manager.leaveGame("ann", id),
          () => manager.spectateGame("ann", id),
          () => manager.stopSpectating("ann", id),
          () => manager.getOnlinePlayers(id),
          () => manager.getSpectators(id),
          () => manager.getSession(id),
          () => manager.getConnections(id),
          () => manager.setGameState(id, "active"),
          () => manager.broadcast(id, gameEvent("x")),
          () => manager.onGameEvent(id, () => undefined),
        ]) {
          expect(["name-invalid", "name-too-long", "id-invalid"]).toContain(await codeOf(call));
        }
      }
      await manager.connect("ann", "1");
      expect(await codeOf(manager.joinGame("ann", "\u0000spectators\u0000chess"))).toBe("name-invalid");
      expect(await codeOf(manager.joinGame("ann", "x".repeat(GAME_ID_MAX_BYTES + 1)))).toBe("name-too-long");
      expect(await codeOf(() => manager.onGameEvent("chess", "no function" as never))).toBe("options-invalid"); // On purpose.
      expect(await manager.getStats()).toEqual({ onlineUsers: 1, activeGames: 0, totalConnections: 1 });
      expect(await store.counts.of("rooms")).toBe(0);
      for (const id of ["x".repeat(GAME_ID_MAX_BYTES), "a:b{c}|d*?", "\u0000", "game:ä🎲:players"]) {
        await manager.connect(id, id);
        await manager.joinGame(id, id);
        await manager.connect(`eve ${id}`.slice(0, 200), `eve ${id}`);
        await manager.spectateGame(`eve ${id}`.slice(0, 200), id);
        expect(await manager.getSession(id)).toMatchObject({
          id,
          players: [id],
          spectators: [`eve ${id}`.slice(0, 200)],
        });
        expect(await manager.getConnections(id)).toMatchObject([{ socketId: id, gameIds: [id] }]);
      }
      const control = "\u0001".repeat(255);
      await manager.connect("bob", control);
      expect(await manager.getConnections("bob")).toMatchObject([{ socketId: control }]);
    });

    promise("refuse events that are none, too large or can't be written, and send nothing", async (managers) => {
      const { manager } = await managers.start("a", { maxEventBytes: 200 });
      const heard = new EventRecorder();
      await manager.onGameEvent("chess", heard.handler).ready;
      const circle: { self?: unknown } = {};
      circle.self = circle;
      const cases: readonly (readonly [unknown, keyof typeof ERROR_CODES])[] = [
        [undefined, "event-invalid"],
        ["move", "event-invalid"],
        [{ type: "", timestamp: 1 }, "event-invalid"],
        [{ type: "move" }, "event-invalid"],
        [{ type: "move", timestamp: Number.NaN }, "event-invalid"],
        // A state is told by those who moved the game to it: servers remember what they hear.
        [{ type: "game-state-changed", timestamp: 1, data: { state: "completed" } }, "event-invalid"],
        [{ type: "game-state-changed", timestamp: 1 }, "event-invalid"],
        [{ type: "move", timestamp: 1, data: circle }, "payload-unserializable"],
        [{ type: "move", timestamp: 1, data: 1n }, "payload-unserializable"],
        [
          {
            get type(): string {
              throw new Error("a getter's own fault");
            },
          },
          "payload-unserializable",
        ],
        [{ type: "move", timestamp: 1, data: "ä".repeat(90) }, "payload-too-large"],
      ];
      for (const [event, code] of cases) {
        expect(await codeOf(manager.broadcast("chess", event as GameEvent))).toBe(code); // No event on purpose.
      }
      const sound = { type: "move", timestamp: 1, gameId: "another", serverInstance: "forged", toJSON: () => "lie" };
      await manager.broadcast("chess", sound);
      await manager.broadcast("nobody-is-there", gameEvent("move"));
      await eventually(() =>
        expect(heard.events).toEqual([{ type: "move", timestamp: 1, gameId: "chess", serverInstance: "a" }]),
      );
    });

    promise("report what came over the bus and is no event, and go on", async (managers) => {
      const [a, b] = [await managers.start("a"), await managers.start("b")];
      const heard = new EventRecorder();
      await a.manager.onGameEvent("chess", heard.handler).ready;
      await b.store.bus.publish({ kind: "room", name: "chess" }, new Uint8Array([1, 2, 3]));
      await b.manager.broadcast("chess", gameEvent("move"));
      await eventually(() => expect(heard.told).toEqual(["move"]));
    });

    promise("are refused after the shutdown, which withdraws everything once", async (managers) => {
      const [{ manager: a }, { manager: b }] = [await managers.start("a"), await managers.start("b")];
      const heard = new EventRecorder();
      await b.onGameEvent("chess", heard.handler).ready;
      await a.connect("ann", "1");
      await a.joinGame("ann", "chess");
      a.onGameEvent("chess", () => undefined);
      expect(a.shutdown()).toBe(a.shutdown());
      await a.shutdown();
      expect([a.isReady(), a.isShutDown, b.isShutDown]).toEqual([false, true, false]);
      // Its link may be in doubt for a moment, whichever manager shuts down.
      await eventually(() => expect(b.isReady()).toBe(true));
      expect(await b.getStats()).toEqual({ onlineUsers: 0, activeGames: 0, totalConnections: 0 });
      await eventually(() => expect(heard.told).toEqual(["player-joined ann", "player-left ann", "game-removed"]));
      for (const call of [
        () => a.connect("ann", "1"),
        () => a.joinGame("ann", "chess"),
        () => a.leaveGame("ann", "chess"),
        () => a.spectateGame("ann", "chess"),
        () => a.stopSpectating("ann", "chess"),
        () => a.getOnlinePlayers("chess"),
        () => a.getSpectators("chess"),
        () => a.getSession("chess"),
        () => a.getConnections("ann"),
        () => a.getStats(),
        () => a.setGameState("chess", "active"),
        () => a.broadcast("chess", gameEvent("move")),
        () => a.onGameEvent("chess", () => undefined),
        () => a.cleanupStaleConnections(),
      ]) {
        expect(await codeOf(call)).toBe("closed");
      }
      await a.disconnect("ann", "1");
      a.touch("ann", "1");
      a.offGameEvent("chess", heard.handler);
      await a[Symbol.asyncDispose]();
    });
  });
}
