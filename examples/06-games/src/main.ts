/*
 * Players, spectators and one game on two servers, without sockets: the events that handlers receive, the state
 * that each server reads, and how players leave when their server closes.
 */
import { type ConnectionManager, createConnectionManager } from "@cm/connection-manager";
import type { GameEvent } from "@cm/protocol";
import { openStore } from "./store.js";

const berlinStore = await openStore();
const tokyoStore = await openStore();
const berlin = await createConnectionManager({ store: berlinStore, serverInstance: "berlin" });
const tokyo = await createConnectionManager({ store: tokyoStore, serverInstance: "tokyo" });

/** Resolves with the next event of this type that the manager's handlers receive. */
function heard(manager: ConnectionManager, type: string): Promise<GameEvent> {
  return new Promise((resolve) => {
    const off = manager.onGameEvent("chess", (event) => {
      if (event.type !== type) return;
      off();
      resolve(event);
    });
  });
}

// #region game
// A real server would send each event to its own sockets that are in the game.
const announcer = tokyo.onGameEvent("chess", ({ type, userId = "nobody", serverInstance }) => {
  console.log(`tokyo hears: ${type} of ${userId}, from ${serverInstance}`);
});
await announcer.ready;

await berlin.connect("ann", "phone");
await tokyo.connect("bob", "desk");
await tokyo.connect("eve", "tv");
await berlin.joinGame("ann", "chess");
await tokyo.joinGame("bob", "chess");
await tokyo.spectateGame("eve", "chess");

const moved = heard(tokyo, "game-move");
await berlin.setGameState("chess", "active");
await berlin.broadcast("chess", { type: "game-move", userId: "ann", data: { to: "e4" }, timestamp: Date.now() });
await moved;
// #endregion

const session = await berlin.getSession("chess");
console.log(`${session?.state}: ${session?.players.toSorted().join(" against ")}, watched by ${session?.spectators}`);
const { onlineUsers, activeGames, totalConnections } = await tokyo.getStats();
console.log(`online: ${onlineUsers}, games: ${activeGames}, connections: ${totalConnections}`);

const left = heard(tokyo, "player-left");
await berlin.shutdown();
await left;
console.log(`still playing: ${await tokyo.getOnlinePlayers("chess")}`);

await tokyo.shutdown();
await Promise.all([berlinStore.close(), tokyoStore.close()]);
