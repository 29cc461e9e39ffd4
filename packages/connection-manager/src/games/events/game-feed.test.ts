import type { RoomWatcher, RosterMember } from "@cm/presence";
import { eventually } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";
import { EventRecorder } from "../managers.fixture.js";
import { GameFeed } from "./game-feed.js";

const member = (userId: string): RosterMember => ({
  userId,
  connectionId: `server.1.${userId}`,
  serverId: "server",
  metadata: undefined,
});
const ANN = member("ann");
const BOB = member("bob");

/** A feed whose roster is read as each of these, one reading after another, the last one ever after. */
async function feedOf(...readings: readonly (readonly RosterMember[])[]) {
  const heard = new EventRecorder();
  const state = { readings: 0 };
  const feed = new GameFeed({
    gameId: "chess",
    patienceMs: 300,
    interest: { enter: async () => undefined, exit: () => undefined },
    presence: {
      watchRoom: (_room: string, watcher: RoomWatcher) => {
        watcher.snapshot(readings[Math.min(state.readings, readings.length - 1)] ?? []);
        state.readings++;
        const close = () => Promise.resolve();
        return Promise.resolve({ close, [Symbol.asyncDispose]: close });
      },
    },
    onRemoved: () => undefined,
    onError: () => undefined,
  });
  onTestFinished(() => feed.close());
  feed.addHandler(heard.handler);
  await feed.live;
  return { feed, heard, state };
}

it("tells nobody of a player who was missing and is there when the roster is read once more", async () => {
  const { feed, heard, state } = await feedOf([ANN, BOB], [ANN], [ANN, BOB]);
  await feed.rewatch();
  await eventually(() => expect(state.readings).toBe(3));
  expect(heard.told).toEqual([]);
});

it("tells once of players who are missing still when the roster is read once more", async () => {
  const { feed, heard, state } = await feedOf([ANN, BOB], []);
  await feed.rewatch();
  await feed.rewatch();
  expect(heard.told).toEqual([]);
  await eventually(() => expect(heard.told).toEqual(["player-left ann", "player-left bob", "game-removed"]));
  expect(heard.events[0]?.data).toEqual({ reason: "lost" });
  expect(state.readings).toBe(4);
});
