import { CmError } from "@cm/protocol";
import { expect, it } from "vitest";
import { type DriftReport, DriftTally } from "./drift-report.js";
import { type Found, PartitionPass } from "./partition-pass.js";

const FOUND: Found = { missing: 1, stray: 2, wrong: 0 };

/** A pass over 8 partitions in two heartbeats, which records all its calls and reports. */
function passOf(look: (partition: number) => Promise<Found | undefined>) {
  const [looked, reports, errors]: [number[], DriftReport[], CmError[]] = [[], [], []];
  const tally = new DriftTally();
  const pass = new PartitionPass({
    kind: "member",
    partitions: 8,
    beats: 2,
    tally,
    look: (partition) => {
      looked.push(partition);
      return look(partition);
    },
    onDrift: (report) => reports.push(report),
    onError: (error) => errors.push(error),
  });
  return { looked, reports, errors, tally, beat: () => pass.beat(new AbortController().signal) };
}

it("visits all partitions within a fixed number of heartbeats, repeatedly", async () => {
  const { looked, beat, tally } = passOf(async (partition) =>
    partition === 3 ? undefined : { missing: 0, stray: 0, wrong: 0 },
  );
  await beat();
  expect(looked).toEqual([0, 1, 2, 3]);
  await beat();
  await beat();
  expect(looked).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3]);
  // One partition, which was looked at twice, is left to another server.
  expect(tally.stats().reconciledPartitions).toBe(10);
});

it("skips partitions that fail, reports each cause once a pass, and tries them again in the next", async () => {
  const { looked, beat, errors, tally } = passOf(async (partition) => {
    if (partition === 1) throw new CmError("store-corrupt", "This key holds something else.");
    if (partition > 1 && partition < 6) throw new CmError("unavailable", "It can't be reached.");
    return FOUND;
  });
  await beat();
  await beat();
  expect(looked).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(errors.map(({ code }) => code)).toEqual(["store-corrupt", "unavailable"]);
  expect(tally.stats()).toMatchObject({ reconciledPartitions: 3, missing: { member: 3 }, stray: { member: 6 } });
  await beat();
  await beat();
  expect(looked.slice(8)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(errors.map(({ code }) => code)).toEqual(["store-corrupt", "unavailable", "store-corrupt", "unavailable"]);
});

it("reports at most a few causes a pass, however many partitions fail each with its own", async () => {
  const { beat, errors } = passOf(async (partition) => {
    throw new CmError("store-corrupt", `Key ${partition} holds something else.`);
  });
  await beat();
  await beat();
  expect(errors).toHaveLength(5);
});

it("reports all corrections of a pass once, and nothing if there were none", async () => {
  let isWrong = true;
  const { beat, reports } = passOf(async (partition) =>
    isWrong && partition % 2 === 0 ? FOUND : { missing: 0, stray: 0, wrong: 0 },
  );
  await beat();
  expect(reports).toEqual([]);
  await beat();
  expect(reports).toEqual([{ kind: "member", partitions: 4, missing: 4, stray: 8, wrong: 0 }]);
  isWrong = false;
  await beat();
  await beat();
  expect(reports).toHaveLength(1);
});

it("ends at once where it is aborted", async () => {
  const stop = new AbortController();
  let looks = 0;
  const pass = new PartitionPass({
    kind: "user",
    partitions: 8,
    beats: 1,
    tally: new DriftTally(),
    look: async () => {
      looks++;
      stop.abort();
      return undefined;
    },
    onDrift: () => undefined,
    onError: () => undefined,
  });
  await pass.beat(stop.signal);
  expect(looks).toBe(1);
});
