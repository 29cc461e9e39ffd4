import { expect, it } from "vitest";
import { LocalPlayers, type Player } from "./local-players.js";

function connect(players: LocalPlayers, userId: string): Player {
  const connectionId = `${userId}-connection`;
  return players.add({ userId, socketId: `${userId}-socket`, connectionId, lastSeen: 0, opened: Promise.resolve() });
}

it("a game has players on this server until the last of them stops, whoever stops first", () => {
  const players = new LocalPlayers(10);
  const [ann, bob] = [connect(players, "ann"), connect(players, "bob")];
  expect(players.hasPlayers("chess")).toBe(false);
  expect([players.play(ann, "chess"), players.play(bob, "chess")]).toEqual([true, true]);
  // A repeated call does not count twice.
  expect(players.play(ann, "chess")).toBe(false);
  expect([players.stopPlaying(ann, "chess"), players.stopPlaying(ann, "chess")]).toEqual([true, false]);
  expect(players.hasPlayers("chess")).toBe(true);
  expect(players.stopPlaying(bob, "chess")).toBe(true);
  expect(players.hasPlayers("chess")).toBe(false);
  // The game can be played again.
  players.play(ann, "chess");
  expect(players.hasPlayers("chess")).toBe(true);
});
