import { setTimeout as sleep } from "node:timers/promises";
import { freshPrefix, startRecordingRelay } from "@cm/test-kit";
import { expect, inject, it, onTestFinished } from "vitest";
import { createConnectionManager } from "./game-connection-manager.js";
import { gameEvent } from "./managers.fixture.js";

/** Number of repetitions. The minimum is the cost of a call, because probes of the link may add commands. */
const REPEATS = 5;

/** Starts a proxy in front of Redis that counts the traffic of the busiest connection. */
async function countingRelay(port: number) {
  const links = new Set<{ commands: number; roundTrips: number; isAsking: boolean }>();
  const relay = await startRecordingRelay(port, () => {
    const link = { commands: 0, roundTrips: 0, isAsking: false };
    let unread = "";
    links.add(link);
    return {
      toServer: (chunk) => {
        unread += chunk.toString("latin1");
        // A command is an array of strings, and nothing else that is sent here looks like one. A command
        // whose head is split over two chunks is counted with the second.
        const heads = [...unread.matchAll(/\*\d+\r\n\$\d+\r\n/g)];
        link.commands += heads.length;
        unread = unread.slice((heads.at(-1)?.index ?? -1) + 1);
        if (!link.isAsking) link.roundTrips++;
        link.isAsking = true;
      },
      toClient: () => {
        link.isAsking = false;
      },
    };
  });
  onTestFinished(() => relay.close());
  const busiest = () => [...links].reduce((most, link) => (link.commands > most.commands ? link : most));
  return {
    url: `redis://127.0.0.1:${relay.port}`,
    count: () => ({ commands: busiest().commands, roundTrips: busiest().roundTrips }),
    /** Resolves when all background work has finished. */
    quiet: async () => {
      for (let last = -1; last !== busiest().commands || busiest().isAsking; ) {
        last = busiest().commands;
        await sleep(20);
      }
    },
  };
}

it("costs one round trip an operation, and no more commands than it has things to say", async () => {
  const relay = await countingRelay(Number(new URL(inject("redisUrl")).port));
  const manager = await createConnectionManager({ redisUrl: relay.url, prefix: freshPrefix(), offlineGraceMs: 0 });
  onTestFinished(() => manager.shutdown());
  const cost = async (call: (i: number) => Promise<unknown>): Promise<string> => {
    const costs: { commands: number; roundTrips: number }[] = [];
    for (let i = 0; i < REPEATS; i++) {
      await relay.quiet();
      const before = relay.count();
      await call(i);
      const after = relay.count();
      costs.push({
        commands: after.commands - before.commands,
        roundTrips: after.roundTrips - before.roundTrips,
      });
    }
    const least = (key: "commands" | "roundTrips"): number => Math.min(...costs.map((each) => each[key]));
    return `${least("commands")} in ${least("roundTrips")}`;
  };
  // Before costs are counted, make Redis load the scripts, and let the manager read the living servers.
  await manager.connect("first", "first");
  await manager.joinGame("first", "first");
  await manager.setGameState("first", "active");
  await manager.leaveGame("first", "first");
  await manager.disconnect("first", "first");

  const costs = {
    connect: await cost((i) => manager.connect(`ann-${i}`, `a${i}`)),
    joinGame: await cost((i) => manager.joinGame(`ann-${i}`, `game-${i}`)),
    "connect of one who plays": await cost((i) => manager.connect("ann-0", `again-${i}`)),
    "joinGame again": await cost((i) => manager.joinGame(`ann-${i}`, `game-${i}`)),
    broadcast: await cost((i) => manager.broadcast(`game-${i}`, gameEvent("move"))),
    "broadcast again": await cost((i) => manager.broadcast(`game-${i}`, gameEvent("move"))),
    getOnlinePlayers: await cost((i) => manager.getOnlinePlayers(`game-${i}`)),
    getSpectators: await cost((i) => manager.getSpectators(`game-${i}`)),
    getSession: await cost((i) => manager.getSession(`game-${i}`)),
    getConnections: await cost((i) => manager.getConnections(`ann-${(i % 4) + 1}`)),
    getStats: await cost(() => manager.getStats()),
    setGameState: await cost((i) => manager.setGameState(`game-${i}`, "active")),
    leaveGame: await cost((i) => manager.leaveGame(`ann-${i}`, `game-${i}`)),
    disconnect: await cost((i) => manager.disconnect(`ann-${i}`, `a${i}`)),
    "disconnect again": await cost((i) => manager.disconnect(`ann-${i}`, `a${i}`)),
  };
  expect(costs).toEqual({
    connect: "2 in 1",
    joinGame: "2 in 1",
    "connect of one who plays": "3 in 1",
    "joinGame again": "0 in 0",
    broadcast: "2 in 1",
    "broadcast again": "1 in 1",
    // Two commands of each find out whether Redis has lost entries.
    getOnlinePlayers: "4 in 1",
    getSpectators: "6 in 1",
    getSession: "7 in 1",
    getConnections: "4 in 2",
    // Counts users, games and connections, with 64 partitions per command.
    getStats: "12 in 1",
    setGameState: "2 in 2",
    leaveGame: "3 in 1",
    disconnect: "1 in 1",
    "disconnect again": "0 in 0",
  });
});
