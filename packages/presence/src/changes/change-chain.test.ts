import { CmError } from "@cm/protocol";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type ChainedChange, ChangeChain, type StateReading } from "./change-chain.js";

/** A read whose result the test supplies. */
interface Asked {
  answer(version: number, upTo?: number): Promise<void>;
  fail(): Promise<void>;
}

const change = (version: number, previousVersion: number): ChainedChange => ({ version, previousVersion });

describe("ChangeChain", () => {
  let asked: Asked[];
  /** What a watcher is shown: `read 5` is the state at version 5, `change 6` is the change to version 6. */
  let told: string[];
  let errors: CmError[];
  let chain: ChangeChain<ChainedChange>;

  beforeEach(() => {
    vi.useFakeTimers();
    asked = [];
    told = [];
    errors = [];
    chain = new ChangeChain({
      read: () =>
        new Promise<StateReading<ChainedChange>>((resolve, reject) => {
          asked.push({
            answer: async (version, upTo = version) => {
              let last = version;
              resolve({
                version,
                upTo,
                fold: (next) => {
                  last = next.version;
                },
                install: () => told.push(`read ${last}`),
              });
              await vi.advanceTimersByTimeAsync(0);
            },
            fail: async () => {
              reject(new CmError("unavailable", "The store is away."));
              await vi.advanceTimersByTimeAsync(0);
            },
          });
        }),
      apply: ({ version }) => told.push(`change ${version}`),
      maxBuffered: 3,
      onError: (error) => errors.push(error),
    });
  });

  afterEach(() => {
    chain.close();
    vi.useRealTimers();
  });

  /** Returns the read that was requested last. */
  function latest(): Asked {
    const last = asked.at(-1);
    if (last === undefined) throw new Error("Nothing was read.");
    return last;
  }

  it("reports the state, then the changes that arrived during the reading and are not in it, then later changes", async () => {
    const read = chain.refresh();
    chain.offer(change(4, 3));
    chain.offer(change(5, 4));
    chain.offer(change(6, 5));
    await latest().answer(5);
    await read;
    chain.offer(change(7, 6));
    expect(told).toEqual(["read 5", "change 6", "change 7"]);
  });

  it("drops late changes and those that come twice", async () => {
    chain.invalidate();
    await latest().answer(5);
    for (const each of [change(5, 4), change(6, 5), change(6, 5), change(3, 2)]) chain.offer(each);
    expect(told).toEqual(["read 5", "change 6"]);
    expect(asked).toHaveLength(1);
  });

  it("reads again if a change is missing, and reports nothing in between", async () => {
    chain.invalidate();
    await latest().answer(5);
    chain.offer(change(8, 7));
    chain.offer(change(9, 8));
    expect(asked).toHaveLength(2);
    await latest().answer(8);
    expect(told).toEqual(["read 5", "read 8", "change 9"]);
  });

  it("reads again if the feed began again", async () => {
    chain.invalidate();
    await latest().answer(5);
    chain.offer(change(20, 0));
    await latest().answer(20);
    expect(told).toEqual(["read 5", "read 20"]);
  });

  it("waits for changes that must be in the state, and reads once more if they don't come", async () => {
    chain.invalidate();
    await latest().answer(5, 7);
    expect(told).toEqual([]);
    chain.offer(change(6, 5));
    await vi.advanceTimersByTimeAsync(0);
    expect(told).toEqual([]);
    await vi.advanceTimersByTimeAsync(2_500);
    expect(asked).toHaveLength(2);
    await latest().answer(7, 8);
    chain.offer(change(8, 7));
    chain.offer(change(9, 8));
    await vi.advanceTimersByTimeAsync(0);
    expect(told).toEqual(["read 8", "change 9"]);
  });

  it("keeps a bounded number of changes during a reading, and reads once more beyond it", async () => {
    chain.invalidate();
    for (const version of [6, 7, 8, 9]) chain.offer(change(version, version - 1));
    await latest().answer(5);
    expect(told).toEqual([]);
    await vi.advanceTimersByTimeAsync(100);
    expect(asked).toHaveLength(2);
    await latest().answer(9);
    expect(told).toEqual(["read 9"]);
  });

  it("fails calls that wait for a failed reading, reports it once, and retries with pauses", async () => {
    const first = chain.refresh();
    const outcome = expect(first).rejects.toMatchObject({ code: "unavailable" });
    await latest().fail();
    await outcome;
    for (let tries = 2; tries <= 4; tries++) {
      await vi.advanceTimersByTimeAsync(400);
      expect(asked).toHaveLength(tries);
      if (tries < 4) await latest().fail();
    }
    expect(errors).toHaveLength(1);
    await latest().answer(1);
    expect(told).toEqual(["read 1"]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toHaveLength(4);
  });

  it("answers a request during a reading with the next reading", async () => {
    chain.invalidate();
    let isRead = false;
    const read = chain.refresh().then(() => {
      isRead = true;
    });
    await latest().answer(5);
    expect(isRead).toBe(false);
    await latest().answer(6);
    await read;
    expect(told).toEqual(["read 5", "read 6"]);
  });

  it("fails waiting calls when it is closed while a change is in transit", async () => {
    const outcome = expect(chain.refresh()).rejects.toMatchObject({ code: "closed" });
    await latest().answer(5, 6);
    chain.close();
    await outcome;
    expect(told).toEqual([]);
  });

  it("fails pending calls when it is closed, and ignores later changes", async () => {
    const outcome = expect(chain.refresh()).rejects.toMatchObject({ code: "closed" });
    chain.close();
    await latest().answer(5);
    await outcome;
    chain.offer(change(6, 5));
    await expect(chain.refresh()).rejects.toMatchObject({ code: "closed" });
    expect(told).toEqual([]);
    expect(errors).toEqual([]);
  });
});
