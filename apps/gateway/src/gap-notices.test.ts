import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { GapNotices } from "./gap-notices.js";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const known = (missed: number) => ({ origin: "gw-2", missed });

it("reports a room's first gap at once, and those of the next second together at its end", () => {
  const told: (number | undefined)[] = [];
  const notices = new GapNotices((_, missed) => told.push(missed));
  for (let i = 0; i < 1_000; i++) notices.add("lobby", known(2));
  expect(told).toEqual([2]);
  vi.advanceTimersByTime(1_000);
  expect(told).toEqual([2, 1_998]);
  notices.add("lobby", known(1));
  notices.add("lobby", undefined);
  vi.advanceTimersByTime(1_000);
  expect(told).toEqual([2, 1_998, undefined]);
  vi.advanceTimersByTime(1_000);
  notices.add("lobby", known(5));
  expect(told).toEqual([2, 1_998, undefined, 5]);
});

it("reports a gap of another room at once, and forgets rooms without gaps", () => {
  const told: string[] = [];
  const notices = new GapNotices((room) => told.push(room));
  notices.add("lobby", undefined);
  notices.add("hall", undefined);
  expect(told).toEqual(["lobby", "hall"]);
  vi.advanceTimersByTime(10_000);
  expect(vi.getTimerCount()).toBe(0);
});
