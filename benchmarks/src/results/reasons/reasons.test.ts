import { expect, it } from "vitest";
import { pausesIn } from "../../gc/gc-pauses.js";
import { CONNECTION_BYTES, LIVE_CONNECTION_BYTES, SHARED_ROOM_BYTES } from "../../idle/idle.js";
import { type CommandUses, usesPerOperation } from "../../operations/command-uses.js";
import type { StormResult } from "../../operations/presence-storms.js";
import type { Medians, Ratio } from "../load-ratios.js";
import type { Evidence } from "./reason.js";
import { reasonFor } from "./reasons.js";

const NONE: Evidence = { medians: [], ratios: [], figureRuns: [], memory: undefined, storms: [], reaping: undefined };

function medians(contender: Medians["contender"], figures: Partial<Medians>): Medians {
  return {
    ...{ contender, scenario: "big-rooms", validRuns: 2, invalidRuns: 0, saturatedRuns: 0, disturbedRuns: 0 },
    ...{ soundRuns: 2, serverCpuUsPerDelivery: 10, serverUserUsPerDelivery: 5, redisCpuUsPerMessage: 20 },
    ...{ publishCommandsPerMessage: Number.NaN, publishUsPerMessage: Number.NaN, longestGcMs: Number.NaN },
    ...{ deliveriesPerSecond: 1_000, p50Ms: 1, p99Ms: 5, pingP99Ms: 4, busiestServerCores: 0.3, serverMiB: 100 },
    ...figures,
  };
}

it("explains a p99 with the range of the turns, an uninvolved ping and the garbage collections", () => {
  const ratio: Ratio = {
    ...{ scenario: "big-rooms", figure: "latency p99", contender: "cm", against: "minimum" },
    ...{ median: 1.19, low: 0.98, high: 1.41, turns: 2, doubtfulTurns: 0 },
  };
  const missed = { scenario: "big-rooms", figure: "latency p99 / minimum", limit: 1.1 };
  const figures = [medians("cm", { longestGcMs: 6 }), medians("minimum", { pingP99Ms: 3, longestGcMs: 2 })];
  expect(reasonFor(missed, { ...NONE, medians: figures, ratios: [ratio] })).toBe(
    "the limit is within the range of the turns, 0.98 to 1.41; the p99 of an uninvolved ping is 4.00 ms instead of 3.00; " +
      "the longest pause of a garbage collection is 6.00 ms instead of 2.00",
  );
  const older = [medians("cm", {}), medians("minimum", {})];
  expect(reasonFor(missed, { ...NONE, medians: older, ratios: [{ ...ratio, low: 1.2 }] })).toBe(
    "the p99 of an uninvolved ping is 4.00 ms instead of 4.00",
  );
});

it("explains Redis's time for a message with the size of the messages and the publish commands", () => {
  const missed = { scenario: "big-rooms", figure: "Redis CPU a message / minimum", limit: 1 };
  const bus = (calls: number, us: number) => ({ publishCommandsPerMessage: calls, publishUsPerMessage: us });
  const figures = [
    medians("cm", { redisCpuUsPerMessage: 24, ...bus(1.1, 6) }),
    medians("minimum", bus(1, 5)),
    medians("same-bytes", { redisCpuUsPerMessage: 22 }),
  ];
  expect(reasonFor(missed, { ...NONE, medians: figures })).toBe(
    "the minimum with messages of the same size needs 1.10 of the minimum itself; " +
      "1.10 publish commands a message instead of 1.00, which take 6.00 us instead of 5.00; " +
      "everything else of Redis takes 18.00 us instead of 15.00",
  );
  expect(reasonFor(missed, { ...NONE, medians: [medians("cm", {}), medians("minimum", {})] })).toBeUndefined();
});

function storm(contender: StormResult["contender"], clientUs: number, redisCommands?: CommandUses): StormResult {
  const run = { operations: 10_000, wallMs: 1_000, clientCpuUsPerOperation: clientUs, redisCpuUsPerOperation: 60 };
  const commands = redisCommands === undefined ? {} : { redisCommands };
  return { storm: "join-storm", contender, repeat: 1, commandsPerOperation: 3, run: { ...run, ...commands, p99Ms: 5 } };
}

it("explains a storm with the client's processor time, and Redis's with scripts, commands and sockets", () => {
  const ours = { evalsha: { calls: 3, us: 40 }, hset: { calls: 1, us: 2 }, zadd: { calls: 2, us: 8 } };
  const byHand = { hset: { calls: 1, us: 3 }, sadd: { calls: 2, us: 4 } };
  const storms = [storm("cm", 80, ours), storm("by-hand", 40, byHand)];
  const why = (figure: string, evidence = storms) =>
    reasonFor({ scenario: "join-storm", figure, limit: 1.8 }, { ...NONE, storms: evidence });
  expect(why("all of it / by hand")).toBe(
    "the client computes for 80 % of the time, by hand for 40 %: 80.00 us an operation instead of 40.00",
  );
  expect(why("Redis CPU an operation / by hand")).toBe(
    "in the first turn, 3.00 calls of scripts an operation take 40.00 us, and all other commands, most of which scripts " +
      "call, 10.00 us for 3.00 (the dearest is zadd with 8.00); by hand 3.00 commands take 7.00; everything else of Redis takes 20.00 us instead of 53.00",
  );
  const waited = { evalsha: { calls: 3, us: 90 } };
  expect(why("Redis CPU an operation / by hand", [storm("cm", 80, waited), storm("by-hand", 40, byHand)])).toMatch(
    /commands take 7\.00$/,
  );
  expect(why("Redis CPU an operation / by hand", [storm("cm", 80), storm("by-hand", 40)])).toBeUndefined();
});

it("explains memory with the share of live objects and with their constructors", () => {
  const run = { scenario: "idle", repeat: 1, valid: true, disturbed: false, otherCores: 0 };
  const details = { [CONNECTION_BYTES]: { Session: 300, Map: 120 }, [SHARED_ROOM_BYTES]: { "(string)": 90 } };
  const figures = { [CONNECTION_BYTES]: 3_000, [LIVE_CONNECTION_BYTES]: 1_200 };
  const figureRuns = [
    { ...run, subject: "cm", figures, details },
    { ...run, subject: "floor", figures: { [CONNECTION_BYTES]: 800, [LIVE_CONNECTION_BYTES]: 150 } },
  ];
  const why = (figure: string) => reasonFor({ scenario: "idle", figure, limit: 1 }, { ...NONE, figureRuns });
  expect(why(`${CONNECTION_BYTES} / floor`)).toBe(
    "1200 of the 3000 bytes are live JavaScript objects, on the floor 150 of 800; by a heap snapshot: Session 300, Map 120",
  );
  expect(why(SHARED_ROOM_BYTES)).toBe("by a heap snapshot: (string) 90");
});

it("compares the time of a reaping with that of its scripts", () => {
  const missed = { scenario: "reaping", figure: "all of it, ms", limit: 4_000 };
  const cost = { connections: 10, rooms: 1, totalMs: 5_000, longestCommandMs: 6, pingLongestMs: 7, pingP99Ms: 5 };
  expect(reasonFor(missed, { ...NONE, reaping: { ...cost, scriptsMs: 4_000 } })).toBe(
    "Redis runs scripts for 4000 of the 5000 ms",
  );
  expect(reasonFor(missed, { ...NONE, reaping: cost })).toBeUndefined();
});

it("names the longest command of the reaping", () => {
  const cost = { connections: 1, rooms: 1, totalMs: 1, longestCommandMs: 6, pingLongestMs: 1, pingP99Ms: 1 };
  const missed = { scenario: "reaping", figure: "longest command, ms", limit: 5 };
  const reaping = { ...cost, longestCommand: "script room-clear with 500 arguments" };
  expect(reasonFor(missed, { ...NONE, reaping })).toBe("it is script room-clear with 500 arguments");
  expect(reasonFor(missed, { ...NONE, reaping: cost })).toBeUndefined();
});

it("counts the garbage collections of the steady part only, over all servers", () => {
  const reports = ["900 50\n1000.5 3\n1400 5\n", "1500 2\n2001 80\n", ""];
  expect(pausesIn(reports, { fromMs: 1_000, toMs: 2_000 })).toEqual({ share: 0.01 / 3, longestMs: 5 });
});

it("divides the uses of commands by the operations, and leaves out those that were not used", () => {
  const before = { get: { calls: 5, us: 10 }, info: { calls: 1, us: 90 } };
  const after = { get: { calls: 5, us: 10 }, info: { calls: 2, us: 180 }, publish: { calls: 20, us: 60 } };
  expect(usesPerOperation(before, after, 10)).toEqual({ publish: { calls: 2, us: 6 } });
});
