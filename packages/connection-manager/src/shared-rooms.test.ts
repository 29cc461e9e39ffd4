import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import { expect, it, onTestFinished } from "vitest";
import { LocalSockets, Socket } from "./distributed/local-sockets.fixture.js";
import { codeOf } from "./error-code.fixture.js";
import { EventRecorder, gameEvent } from "./games/managers.fixture.js";
import { createConnectionManager, createDistributedConnectionManager } from "./index.js";

/** Starts a game manager and a socket manager on two servers that share their rooms. */
async function startBoth(options: { maxConnections?: number } = {}) {
  const hub = createMemoryHub();
  const [forGames, forSockets] = [createMemoryStore({ hub }), createMemoryStore({ hub })];
  await Promise.all([forGames.start(), forSockets.start()]);
  const errors: string[] = [];
  const games = await createConnectionManager({
    store: forGames,
    onError: (error) => errors.push(error.code),
    ...options,
  });
  const sockets = await createDistributedConnectionManager(new LocalSockets(), { store: forSockets });
  onTestFinished(async () => {
    await Promise.all([games.shutdown(), sockets.shutdown()]);
    await Promise.all([forGames.close(), forSockets.close()]);
  });
  return { games, sockets, errors };
}

it("a message of the sockets API is never taken for a game's change of state", async () => {
  const { games, sockets, errors } = await startBoth();
  const recorder = new EventRecorder();
  await games.onGameEvent("chess", recorder.handler).ready;
  await games.connect("ann", "socket-1");
  await games.joinGame("ann", "chess");
  await sockets.broadcastToRoom("chess", gameEvent("game-state-changed", { state: "completed" }));
  await sockets.broadcastToRoom("chess", gameEvent("game-move"));
  await expect.poll(() => recorder.told).toContain("game-move");
  expect(recorder.told).not.toContain("game-state-changed");
  expect(errors).toEqual(["event-invalid"]);
  expect((await games.getSession("chess"))?.state).toBe("waiting");
  await games.setGameState("chess", "active");
  await expect.poll(() => recorder.told).toContain("game-state-changed");
});

it("the room of a game's spectators is filled by spectateGame alone", async () => {
  const { games, sockets } = await startBoth();
  await games.connect("ann", "socket-1");
  await games.joinGame("ann", "chess");
  const id = await sockets.registerConnection(new Socket(), "eve");
  const room = "\u0000spectators\u0000chess";
  expect(await codeOf(sockets.joinRoom(id, room))).toBe("name-invalid");
  expect(await codeOf(sockets.leaveRoom(id, room))).toBe("name-invalid");
  expect(await codeOf(sockets.broadcastToRoom(room, "x"))).toBe("name-invalid");
  expect(await games.getSpectators("chess")).toEqual([]);
});

it("what JSON does not have is refused by both, as a message and as one of its fields", async () => {
  const { games, sockets } = await startBoth();
  for (const data of [Symbol("x"), () => 1]) {
    expect(await codeOf(games.broadcast("chess", gameEvent("move", data)))).toBe("payload-unserializable");
    expect(await codeOf(sockets.broadcastToRoom("chess", data))).toBe("payload-unserializable");
    expect(await codeOf(sockets.broadcastToRoom("chess", { type: "move", data }))).toBe("payload-unserializable");
  }
  expect(await codeOf(sockets.broadcastToRoom("chess", { data: undefined, at: new Date(0) }))).toBe("done");
});

it("unknown options are refused, and so are values that are not sockets", async () => {
  const { games, sockets } = await startBoth();
  // A value that an untyped program may pass.
  const wild = (options: object) => options as never;
  expect(await codeOf(games.disconnect("ann", "socket-1", wild({ signoff: true })))).toBe("options-invalid");
  expect(await codeOf(sockets.broadcastToRoom("chess", 1, wild({ exept: [] })))).toBe("options-invalid");
  expect(await codeOf(sockets.sendToUser("ann", 1, wild({ confirm: 1 })))).toBe("options-invalid");
  for (const socket of [null, undefined, "ws"]) {
    expect(await codeOf(sockets.registerConnection(socket as never, "ann"))).toBe("options-invalid");
  }
});

it("maxConnections of games is a limit: sockets beyond it fail, and those before it stay", async () => {
  const { games } = await startBoth({ maxConnections: 2 });
  await games.connect("ann", "socket-1");
  await games.connect("ann", "socket-2");
  expect(await codeOf(games.connect("bob", "socket-3"))).toBe("capacity-reached");
  expect(await codeOf(games.connect("ann", "socket-2"))).toBe("done");
  expect((await games.getStats()).totalConnections).toBe(2);
  await games.disconnect("ann", "socket-1");
  expect(await codeOf(games.connect("bob", "socket-3"))).toBe("done");
});
