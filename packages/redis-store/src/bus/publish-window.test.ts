import { expect, it } from "vitest";
import { PublishWindow } from "./publish-window.js";

/** Opens windows at intervals, each followed by messages after the given times. Returns how many were opened. */
function opened(
  window: PublishWindow,
  { from, windows, followers }: { from: number; windows: number; followers: number[] },
) {
  let count = 0;
  for (let i = 0; i < windows; i++) {
    const at = from + 5 * i;
    if (!window.open(at)) continue;
    count++;
    for (const after of followers) window.count(at + after);
    window.close(at + 3);
  }
  return count;
}

it("keeps opening while messages follow", () => {
  const window = new PublishWindow();
  expect(opened(window, { from: 0, windows: 500, followers: [1, 2] })).toBe(500);
});

it("opens one window a second for a publisher whose messages come alone", () => {
  const window = new PublishWindow();
  expect(opened(window, { from: 0, windows: 1_000, followers: [] })).toBe(5);
});

it("does not count messages of the same turn as followers", () => {
  const window = new PublishWindow();
  expect(opened(window, { from: 0, windows: 1_000, followers: [0, 0.1, 0.2, 0.4] })).toBe(5);
});

it("opens again soon after messages follow again", () => {
  const window = new PublishWindow();
  opened(window, { from: 0, windows: 1_000, followers: [] });
  expect(opened(window, { from: 6_000, windows: 100, followers: [1, 2, 2.5] })).toBe(100);
});
