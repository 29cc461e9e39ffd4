import { type CallTable, callsNotRejectedWith, eventually } from "@cm/test-kit";
import { expect } from "vitest";
import { codeOf } from "../error-code.fixture.js";
import type { ConnectionManager } from "./connection-manager.js";
import { type DefineGameTest, EventRecorder, gameEvent } from "./managers.fixture.js";

/** Tests in which servers die or shut down, and sockets become stale or close. */
export function describeDisconnections(test: DefineGameTest): void {
  test("survive a server that dies: its players leave once, wherever one listens", async (managers) => {
    const dying = await managers.start("dying", { heartbeatInterval: 400, heartbeatTTL: 1 });
    // Long intervals, so that only the explicit clean-up finds the dead server.
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

  test("lose sockets that gave no sign of life for long, and tell whose they were", async (managers) => {
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

  test("lose stale sockets by themselves too, and keep those whose users are active", async (managers) => {
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

  test("keep a user online for the grace period, but one who signs off", async (managers) => {
    const { manager } = await managers.start("a", { offlineGraceMs: 3_600_000 });
    await Promise.all([manager.connect("ann", "1"), manager.connect("bob", "2")]);
    await manager.disconnect("ann", "1");
    await manager.disconnect("bob", "2", { signOff: true });
    expect(await manager.getStats()).toEqual({ onlineUsers: 1, activeGames: 0, totalConnections: 0 });
  });

  test("are refused after the shutdown, which withdraws everything once", async (managers) => {
    const [{ manager: a }, { manager: b }] = [await managers.start("a"), await managers.start("b")];
    const heard = new EventRecorder();
    await b.onGameEvent("chess", heard.handler).ready;
    await a.connect("ann", "1");
    await a.joinGame("ann", "chess");
    a.onGameEvent("chess", () => undefined);
    expect(a.shutdown()).toBe(a.shutdown());
    await a.shutdown();
    expect([a.isReady(), a.isShutDown, b.isShutDown]).toEqual([false, true, false]);
    // The state of this manager's link may be uncertain for a moment when another manager shuts down.
    await eventually(() => expect(b.isReady()).toBe(true));
    expect(await b.getStats()).toEqual({ onlineUsers: 0, activeGames: 0, totalConnections: 0 });
    await eventually(() => expect(heard.told).toEqual(["player-joined ann", "player-left ann", "game-removed"]));
    const later: CallTable<ConnectionManager, "disconnect" | "shutdown"> = {
      connect: () => a.connect("ann", "1"),
      joinGame: () => a.joinGame("ann", "chess"),
      leaveGame: () => a.leaveGame("ann", "chess"),
      spectateGame: () => a.spectateGame("ann", "chess"),
      stopSpectating: () => a.stopSpectating("ann", "chess"),
      getOnlinePlayers: () => a.getOnlinePlayers("chess"),
      getSpectators: () => a.getSpectators("chess"),
      getSession: () => a.getSession("chess"),
      getConnections: () => a.getConnections("ann"),
      getStats: () => a.getStats(),
      setGameState: () => a.setGameState("chess", "active"),
      broadcast: () => a.broadcast("chess", gameEvent("move")),
      cleanupStaleConnections: () => a.cleanupStaleConnections(),
    };
    expect(await callsNotRejectedWith("closed", later)).toEqual({});
    expect(await codeOf(() => a.onGameEvent("chess", () => undefined))).toBe("closed");
    await a.disconnect("ann", "1");
    a.touch("ann", "1");
    a.offGameEvent("chess", heard.handler);
    await a[Symbol.asyncDispose]();
  });
}
