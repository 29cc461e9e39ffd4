import type { ERROR_CODES, GameEvent } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { expect } from "vitest";
import { codeOf } from "../error-code.fixture.js";
import { GAME_ID_MAX_BYTES } from "./game-names.js";
import { type DefineGameTest, EventRecorder, gameEvent } from "./managers.fixture.js";

/** Tests of repeated and concurrent calls, and of invalid ids and events. */
export function describeInput(test: DefineGameTest): void {
  test("repeated calls and calls for absent users have no effect", async (managers) => {
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

  test("settle calls that overtake each other, and leave nothing behind", async (managers) => {
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

  test("refuse odd ids with a code and take every odd but sound one", async (managers) => {
    const { manager, store } = await managers.start("a");
    const odd = ["", "\ud800", "x".repeat(256), 7, undefined, null, {}] as string[]; // Invalid ids, on purpose.
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
    // The type is wrong on purpose.
    expect(await codeOf(() => manager.onGameEvent("chess", "no function" as never))).toBe("options-invalid");
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

  test("refuse events that are none, too large or can't be written, and send nothing", async (managers) => {
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
      // Only `setGameState` may report a state, because servers remember the states that they receive.
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
      expect(await codeOf(manager.broadcast("chess", event as GameEvent))).toBe(code); // May be no event.
    }
    const sound = { type: "move", timestamp: 1, gameId: "another", serverInstance: "forged", toJSON: () => "lie" };
    await manager.broadcast("chess", sound);
    await manager.broadcast("nobody-is-there", gameEvent("move"));
    await eventually(() =>
      expect(heard.events).toEqual([{ type: "move", timestamp: 1, gameId: "chess", serverInstance: "a" }]),
    );
  });

  test("report what came over the bus and is no event, and go on", async (managers) => {
    const [a, b] = [await managers.start("a"), await managers.start("b")];
    const heard = new EventRecorder();
    await a.manager.onGameEvent("chess", heard.handler).ready;
    await b.store.bus.publish({ kind: "room", name: "chess" }, new Uint8Array([1, 2, 3]));
    await b.manager.broadcast("chess", gameEvent("move"));
    await eventually(() => expect(heard.told).toEqual(["move"]));
  });
}
