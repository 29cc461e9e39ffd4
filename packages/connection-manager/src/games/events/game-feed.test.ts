import type { RoomWatcher, RosterMember } from "@cm/presence";
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

it("reports once the players that a later reading of the roster lacks", async () => {
  const heard = new EventRecorder();
  const readings = [[ANN, BOB], [ANN], [], []];
  let watcher: RoomWatcher | undefined;
  const refresh = async (): Promise<void> => watcher?.snapshot(readings.shift() ?? []);
  const done = () => Promise.resolve();
  const feed = new GameFeed({
    gameId: "chess",
    interest: { enter: async () => undefined, exit: () => undefined },
    presence: {
      watchRoom: async (_room: string, given: RoomWatcher) => {
        watcher = given;
        await refresh();
        return { refresh, close: done, [Symbol.asyncDispose]: done };
      },
    },
    onRemoved: () => undefined,
    onError: () => undefined,
  });
  onTestFinished(() => feed.close());
  feed.addHandler(heard.handler);
  await feed.live;
  await feed.refresh();
  expect(heard.told).toEqual(["player-left bob"]);
  await feed.refresh();
  await feed.refresh();
  expect(heard.told).toEqual(["player-left bob", "player-left ann", "game-removed"]);
  expect(heard.events[0]?.data).toEqual({ reason: "lost" });
});
