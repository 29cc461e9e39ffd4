import { describe, expect, it } from "vitest";
import { CompleteReads } from "./complete-reads.js";

/** A store whose entries are complete or not, and what was asked of it, in order. */
function store() {
  const asked: string[] = [];
  const state = { isComplete: true };
  const read = async (): Promise<string> => {
    asked.push("read");
    return state.isComplete ? "whole" : "part";
  };
  const isComplete = async (): Promise<boolean> => {
    asked.push("isComplete");
    return state.isComplete;
  };
  return { asked, state, read, isComplete };
}

describe("reads that must be complete", () => {
  it("are believed without a question, if nothing can be asked", async () => {
    const { asked, read } = store();
    expect(await new CompleteReads(undefined).run(read)).toBe("whole");
    expect(asked).toEqual(["read"]);
  });

  it("ask in the same turn as a read of one round trip, and once", async () => {
    const { asked, read, isComplete } = store();
    const slowRead = () =>
      read()
        .then((result) => result)
        .then((result) => result);
    expect(await new CompleteReads(isComplete).run(slowRead)).toBe("whole");
    expect(asked).toEqual(["read", "isComplete"]);
  });

  it("ask again after a read that took longer than the question", async () => {
    const { state, isComplete } = store();
    const reads = new CompleteReads(isComplete);
    let attempts = 0;
    const result = reads.run(async () => {
      const isFirst = ++attempts === 1;
      for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setImmediate(resolve));
      if (isFirst) state.isComplete = false; // The store loses its data between two steps of the read.
      setTimeout(() => {
        state.isComplete = true;
      }, 10);
      return isFirst ? "part" : "whole";
    });
    expect(await result).toBe("whole");
    expect(attempts).toBe(2);
  });

  it("wait until the store is complete, and share their questions meanwhile", async () => {
    const { asked, state, read, isComplete } = store();
    const reads = new CompleteReads(isComplete);
    state.isComplete = false;
    const results = Promise.all([reads.run(read), reads.run(read)]);
    setTimeout(() => {
      state.isComplete = true;
    }, 10);
    expect(await results).toEqual(["whole", "whole"]);
    expect(asked.filter((call) => call === "read")).toHaveLength(4);
    expect(asked.slice(0, 5)).toEqual(["read", "isComplete", "read", "isComplete", "isComplete"]);
    expect(asked.slice(5)).toContain("read");
  });

  it("reject with a retryable error if the store is not complete in time", async () => {
    const { state, read, isComplete } = store();
    state.isComplete = false;
    const reads = new CompleteReads(isComplete);
    await expect(reads.run(read, { waitMs: 0 })).rejects.toMatchObject({ code: "unavailable", retryable: true });
    await expect(reads.run(read, { waitMs: 150 })).rejects.toMatchObject({ code: "unavailable" });
  });

  it("reject with closed when they are closed, and with the error of the read", async () => {
    const { state, read, isComplete } = store();
    state.isComplete = false;
    const reads = new CompleteReads(isComplete);
    const waiting = reads.run(read);
    reads.close();
    await expect(waiting).rejects.toMatchObject({ code: "closed" });
    await expect(reads.run(() => Promise.reject(new Error("no read")))).rejects.toThrow("no read");
  });
});
