import { expect, it } from "vitest";
import { MissingServers } from "./missing-servers.js";

/** Missing servers that are waited for 5,000 ms, and a clock that the test sets. */
function setUp() {
  const clock = { now: 0 };
  return { clock, missing: new MissingServers(5_000, () => clock.now) };
}

it("servers are missing after a loss until as many speak as before it", () => {
  const { missing } = setUp();
  expect(missing.areMissing).toBe(false);
  missing.noteSpeaking(3);
  missing.noteLoss();
  for (const count of [1, 2]) {
    missing.noteSpeaking(count);
    expect(missing.areMissing, String(count)).toBe(true);
  }
  missing.noteSpeaking(3);
  expect(missing.areMissing).toBe(false);
});

it("servers that do not return are waited for once, for a bounded time", () => {
  const { clock, missing } = setUp();
  missing.noteSpeaking(3);
  missing.noteLoss();
  clock.now = 4_999;
  missing.noteLoss();
  missing.noteSpeaking(2);
  expect(missing.areMissing).toBe(true);
  clock.now = 5_000;
  expect(missing.areMissing).toBe(false);
  // From now on, two servers count as all servers.
  missing.noteSpeaking(2);
  missing.noteLoss();
  missing.noteSpeaking(2);
  expect(missing.areMissing).toBe(false);
});

it("a server that was alone waits for no other one", () => {
  const { missing } = setUp();
  missing.noteSpeaking(1);
  missing.noteLoss();
  expect(missing.areMissing).toBe(false);
});
