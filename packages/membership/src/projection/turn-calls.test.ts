import { CmError, type Lease } from "@cm/protocol";
import { promotedBytesPerStep } from "@cm/test-kit";
import { expect, it } from "vitest";
import { TurnCalls } from "./turn-calls.js";

const lease: Lease = {
  serverId: "a",
  incarnation: "0000",
  token: 1,
  expiresAtMs: 60_000,
  ttlMs: 60_000,
  wasReaped: false,
};

/** Writes that record the items of each call, and fail if `fails` throws. */
function start(fails: (items: readonly string[]) => void = () => undefined) {
  const calls: [target: string, items: readonly string[]][] = [];
  const writes = new TurnCalls<string>((_, target, items) => {
    calls.push([target, items]);
    fails(items);
    return Promise.resolve();
  });
  return { calls, add: (target: string, item: string, under = lease) => writes.add(under, target, item) };
}

it("shares a call for each target, and none with another lease or another turn", async () => {
  const { calls, add } = start();
  const renewed = { ...lease, token: 2 };
  await Promise.all([add("x", "1"), add("y", "2"), add("x", "3"), add("x", "4", renewed)]);
  await add("x", "5");
  expect(calls).toEqual([
    ["x", ["1", "3"]],
    ["y", ["2"]],
    ["x", ["4"]],
    ["x", ["5"]],
  ]);
});

it("tries those alone that were refused together, and fails those that are refused", async () => {
  const { calls, add } = start((items) => {
    if (items.includes("bad")) throw new CmError("connections-limit", "Too many.");
  });
  const outcomes = await Promise.allSettled([add("x", "1"), add("x", "bad"), add("x", "2")]);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(calls).toHaveLength(4);
});

it.each([new CmError("lease-lost", "Gone."), new Error("A store that throws.")])(
  "fails all, without another try, with what concerns them all: %s",
  async (error) => {
    const { calls, add } = start(() => {
      throw error;
    });
    const outcomes = await Promise.allSettled([add("x", "1"), add("x", "2")]);
    expect(outcomes).toEqual([
      { status: "rejected", reason: error },
      { status: "rejected", reason: error },
    ]);
    expect(calls).toHaveLength(1);
  },
);

it("leaves nothing of a turn to the old generation of the heap", async () => {
  const writes = new TurnCalls<string>(() => Promise.resolve());
  const promoted = await promotedBytesPerStep(async () => {
    await Promise.all(Array.from({ length: 20 }, (_, i) => writes.add(lease, "x", String(i))));
  });
  // The items of a turn take 950 bytes with their promises.
  expect(promoted).toBeLessThan(500);
});
