import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { AcknowledgedPositions } from "./acknowledged-positions.js";

beforeEach(() => vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => vi.useRealTimers());

it("keeps the furthest position of an epoch, and which epoch was acknowledged before", () => {
  const positions = new AcknowledgedPositions(10);
  positions.add("lobby", { epoch: 1, offset: 5 }, 50);
  positions.add("lobby", { epoch: 1, offset: 4 }, 40);
  expect(positions.get("lobby")).toEqual({ at: { epoch: 1, offset: 5 }, id: 50, formerEpoch: 0 });
  positions.add("lobby", { epoch: 2, offset: 1 }, 10);
  positions.add("lobby", { epoch: 2, offset: 2 }, 20);
  expect(positions.get("lobby")).toEqual({ at: { epoch: 2, offset: 2 }, id: 20, formerEpoch: 1 });
});

it("keeps a position for at least a minute and at most two while others are added", () => {
  const positions = new AcknowledgedPositions(10);
  positions.add("old", { epoch: 1, offset: 1 }, 1);
  vi.advanceTimersByTime(60_000);
  positions.add("new", { epoch: 1, offset: 1 }, 1);
  expect([...positions.rooms()]).toEqual(["old", "new"]);
  vi.advanceTimersByTime(60_000);
  positions.add("newer", { epoch: 1, offset: 1 }, 1);
  expect([...positions.rooms()]).toEqual(["new", "newer"]);
});

it("says that it is incomplete, for as long as what it lacks would have been kept", () => {
  const positions = new AcknowledgedPositions(2);
  for (const room of ["a", "b", "c"]) positions.add(room, { epoch: 1, offset: 1 }, 1);
  positions.add("a", { epoch: 1, offset: 2 }, 2);
  expect([...positions.rooms()]).toEqual(["a", "b"]);
  expect(positions.get("a")?.at.offset).toBe(2);
  expect(positions.isIncomplete).toBe(true);
  vi.advanceTimersByTime(60_000);
  positions.add("d", { epoch: 1, offset: 1 }, 1);
  expect(positions.isIncomplete).toBe(true);
  vi.advanceTimersByTime(60_000);
  positions.add("d", { epoch: 1, offset: 2 }, 2);
  expect(positions.isIncomplete).toBe(false);
});
