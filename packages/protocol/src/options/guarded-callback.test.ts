import { describe, expect, it } from "vitest";
import { CmError } from "../errors.js";
import { guardedCallback } from "./index.js";

const BUG = new Error("a bug");

/** Calls a guarded callback. Returns its result and the errors that were reported. */
async function outcomeOf(callback: () => unknown): Promise<{ result: unknown; reported: unknown[] }> {
  const reported: unknown[] = [];
  const result = guardedCallback("onGap", callback, (error, { stage }) => reported.push({ stage, error }), "instead")();
  await new Promise(setImmediate);
  return { result, reported };
}

describe("a guarded callback", () => {
  it("returns what the callback returns", async () => {
    expect(await outcomeOf(() => 7)).toEqual({ result: 7, reported: [] });
    expect(await outcomeOf(() => null)).toEqual({ result: null, reported: [] });
  });

  it("reports what is thrown by the callback or by its promise, also one of another library, and returns the default", async () => {
    // biome-ignore lint/suspicious/noThenProperty: a promise of another library
    const foreign = { then: (_: unknown, reject: (cause: unknown) => void) => reject(BUG) };
    for (const callback of [
      () => {
        throw BUG;
      },
      () => Promise.reject(BUG),
      () => foreign,
    ]) {
      expect(await outcomeOf(callback)).toMatchObject({
        result: "instead",
        reported: [{ stage: "handler", error: { code: "internal", message: "onGap failed.", cause: BUG } }],
      });
    }
    expect(await outcomeOf(async () => 7)).toEqual({ result: "instead", reported: [] });
  });

  it("reports a coded error as it is", async () => {
    const error = new CmError("unavailable", "Redis is down.");
    expect(await outcomeOf(() => Promise.reject(error))).toMatchObject({ reported: [{ error }] });
  });
});
