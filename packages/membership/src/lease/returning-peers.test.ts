import { expect, it } from "vitest";
import { ReturningPeers } from "./returning-peers.js";

/** Peers that are waited for 5,000 ms, and a clock that the test sets. */
function peers() {
  const clock = { now: 0 };
  return { clock, returning: new ReturningPeers(5_000, () => clock.now) };
}

it("servers are missing after a loss until as many speak as before it", () => {
  const { returning } = peers();
  expect(returning.areMissing).toBe(false);
  returning.noteSpeaking(3);
  returning.noteLoss();
  for (const count of [1, 2]) {
    returning.noteSpeaking(count);
    expect(returning.areMissing, String(count)).toBe(true);
  }
  returning.noteSpeaking(3);
  expect(returning.areMissing).toBe(false);
});

it("servers that do not return are waited for once, for a bounded time", () => {
  const { clock, returning } = peers();
  returning.noteSpeaking(3);
  returning.noteLoss();
  clock.now = 4_999;
  returning.noteLoss();
  returning.noteSpeaking(2);
  expect(returning.areMissing).toBe(true);
  clock.now = 5_000;
  expect(returning.areMissing).toBe(false);
  // From now on, two servers count as all servers.
  returning.noteSpeaking(2);
  returning.noteLoss();
  returning.noteSpeaking(2);
  expect(returning.areMissing).toBe(false);
});

it("a server that was alone waits for no other one", () => {
  const { returning } = peers();
  returning.noteSpeaking(1);
  returning.noteLoss();
  expect(returning.areMissing).toBe(false);
});
