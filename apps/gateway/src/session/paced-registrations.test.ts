import { expect, it } from "vitest";
import { PacedRegistrations } from "./paced-registrations.js";

/** Registrations on a store that responds when it is told to, and a clock that is set by the test. */
function setUp() {
  const clock = { nowMs: 0 };
  const begun: string[] = [];
  const responses: (() => void)[] = [];
  const membership = {
    open: ({ connectionId }: { readonly connectionId: string }): Promise<void> => {
      begun.push(connectionId);
      return new Promise((resolve, reject) => {
        responses.push(() => (connectionId === "refused" ? reject(new Error("refused")) : resolve()));
      });
    },
  };
  const registrations = new PacedRegistrations(membership, () => clock.nowMs);
  const open = (connectionId: string): Promise<void> => registrations.open({ connectionId, userId: "ann" });
  const respond = (): void => {
    for (const response of responses.splice(0)) response();
  };
  return { clock, begun, open, respond };
}

it("registers at most 100 connections at a time, in the order of the calls", async () => {
  const { begun, open, respond } = setUp();
  const ids = Array.from({ length: 250 }, (_, index) => String(index));
  const opened = Promise.all(ids.map(open));
  expect(begun).toHaveLength(100);
  for (const most of [200, 250]) {
    respond();
    await expect.poll(() => begun).toHaveLength(most);
  }
  respond();
  await opened;
  expect(begun).toEqual(ids);
});

it("passes on errors, and goes on after them", async () => {
  const { begun, open, respond } = setUp();
  const refused = expect(open("refused")).rejects.toThrow("refused");
  respond();
  await refused;
  for (let index = 0; index < 101; index++) void open(String(index));
  respond();
  await expect.poll(() => begun).toHaveLength(102);
});

it("refuses connections that waited for more than 5 s, without asking the store", async () => {
  const { clock, begun, open, respond } = setUp();
  const first = Array.from({ length: 100 }, (_, index) => open(String(index)));
  const inTime = open("in time");
  clock.nowMs = 1;
  const late = Promise.allSettled(Array.from({ length: 1_000 }, (_, index) => open(`late ${index}`)));
  clock.nowMs = 5_001;
  // The store has answered one of the first: the next one in the queue waited for 5 s and 1 ms.
  respond();
  await Promise.all(first);
  await expect(inTime).rejects.toMatchObject({ code: "unavailable", retryable: true });
  await expect.poll(() => begun).toHaveLength(200);
  clock.nowMs = 5_002;
  respond();
  const outcomes = await late;
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(100);
  expect(outcomes.at(-1)).toMatchObject({ status: "rejected", reason: { code: "unavailable" } });
  expect(begun).toHaveLength(200);
});
