import { expect, it } from "vitest";
import { AUTO_WINDOW_MAX_MS, RoomRate } from "./room-window.js";

/** Returns the window after `messages` messages that are `everyMs` milliseconds apart. */
function windowAfter(rate: RoomRate, fromMs: number, everyMs: number, messages: number): number {
  let windowMs = 0;
  for (let index = 0; index < messages; index++) windowMs = rate.count(fromMs + index * everyMs);
  return windowMs;
}

it("stays closed at 60 messages a second, and is at its longest at 200", () => {
  expect(windowAfter(new RoomRate(), 0, 1000 / 60, 600)).toBe(0);
  expect(windowAfter(new RoomRate(), 0, 1000 / 200, 600)).toBe(AUTO_WINDOW_MAX_MS);
  const between = windowAfter(new RoomRate(), 0, 1000 / 110, 600);
  expect(between).toBeGreaterThan(3);
  expect(between).toBeLessThan(7);
});

it("opens within 100 ms at 400 messages a second, and closes within 500 ms after them", () => {
  const rate = new RoomRate();
  expect(windowAfter(rate, 0, 2.5, 40)).toBeGreaterThan(0);
  expect(windowAfter(rate, 100, 2.5, 400)).toBe(AUTO_WINDOW_MAX_MS);
  expect(rate.count(1_100 + 500)).toBe(0);
});

it("does not open for bursts that leave in one write", () => {
  const rate = new RoomRate();
  for (let burst = 0; burst < 50; burst++) expect(windowAfter(rate, burst * 50, 0.001, 100)).toBe(0);
});
