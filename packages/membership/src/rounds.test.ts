import { CmError } from "@cm/protocol";
import { expect, it } from "vitest";
import { type Repair, RepairTally } from "./repairs.js";
import { type Found, Round } from "./rounds.js";

const FOUND: Found = { missing: 1, stray: 2, wrong: 0 };

/** A round over 8 slices in two heartbeats, which notes all that it says. */
function roundOf(look: (slice: number) => Promise<Found | undefined>) {
  const [looked, repairs, errors]: [number[], Repair[], CmError[]] = [[], [], []];
  const tally = new RepairTally();
  const round = new Round({
    kind: "member",
    slices: 8,
    beats: 2,
    tally,
    look: (slice) => {
      looked.push(slice);
      return look(slice);
    },
    onRepair: (repair) => repairs.push(repair),
    onError: (error) => errors.push(error),
  });
  return { looked, repairs, errors, tally, beat: () => round.beat(new AbortController().signal) };
}

it("goes over all slices in so many heartbeats, again and again", async () => {
  const { looked, beat, tally } = roundOf(async (slice) =>
    slice === 3 ? undefined : { missing: 0, stray: 0, wrong: 0 },
  );
  await beat();
  expect(looked).toEqual([0, 1, 2, 3]);
  await beat();
  await beat();
  expect(looked).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3]);
  // One is left to others.
  expect(tally.stats().checked).toBe(10);
});

it("passes over slices that fail, tells each cause once a round, and looks at them again in the next", async () => {
  const { looked, beat, errors, tally } = roundOf(async (slice) => {
    if (slice === 1) throw new CmError("store-corrupt", "This key holds something else.");
    if (slice > 1 && slice < 6) throw new CmError("unavailable", "It can't be reached.");
    return FOUND;
  });
  await beat();
  await beat();
  expect(looked).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(errors.map(({ code }) => code)).toEqual(["store-corrupt", "unavailable"]);
  expect(tally.stats()).toMatchObject({ checked: 3, repairedMissing: { member: 3 }, repairedStray: { member: 6 } });
  await beat();
  await beat();
  expect(looked.slice(8)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(errors.map(({ code }) => code)).toEqual(["store-corrupt", "unavailable", "store-corrupt", "unavailable"]);
});

it("tells of no more than a few causes a round, however many slices fail each with its own", async () => {
  const { beat, errors } = roundOf(async (slice) => {
    throw new CmError("store-corrupt", `Key ${slice} holds something else.`);
  });
  await beat();
  await beat();
  expect(errors).toHaveLength(5);
});

it("tells once a round of all that was put right in it, and of nothing where nothing was", async () => {
  let isWrong = true;
  const { beat, repairs } = roundOf(async (slice) =>
    isWrong && slice % 2 === 0 ? FOUND : { missing: 0, stray: 0, wrong: 0 },
  );
  await beat();
  expect(repairs).toEqual([]);
  await beat();
  expect(repairs).toEqual([{ kind: "member", slices: 4, missing: 4, stray: 8, wrong: 0 }]);
  isWrong = false;
  await beat();
  await beat();
  expect(repairs).toHaveLength(1);
});

it("ends at once where it is aborted", async () => {
  const stop = new AbortController();
  let looks = 0;
  const round = new Round({
    kind: "user",
    slices: 8,
    beats: 1,
    tally: new RepairTally(),
    look: async () => {
      looks++;
      stop.abort();
      return undefined;
    },
    onRepair: () => undefined,
    onError: () => undefined,
  });
  await round.beat(stop.signal);
  expect(looks).toBe(1);
});
