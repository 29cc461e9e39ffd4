import { expect, it } from "vitest";
import { awaitAll } from "./await-all.js";

const later = <T>(value: T): Promise<T> => new Promise((resolve) => setTimeout(() => resolve(value), 1));

it("awaitAll resolves with the values in the order of the calls", async () => {
  await expect(awaitAll([later(1), Promise.resolve(2)])).resolves.toEqual([1, 2]);
  await expect(awaitAll([])).resolves.toEqual([]);
});

it("awaitAll rejects with the first error in the order of the calls, after the last call has ended", async () => {
  let isEnded = false;
  const slow = later(undefined).then(() => {
    isEnded = true;
    throw new Error("slow");
  });
  await expect(awaitAll([slow, Promise.reject(new Error("fast"))])).rejects.toThrow("slow");
  expect(isEnded).toBe(true);
});

it("awaitAll rejects with a preferred error if there is one", async () => {
  const calls = ["a", "b", "b", undefined].map((error) => Promise.reject(error));
  await expect(awaitAll(calls, (error) => error === "b")).rejects.toBe("b");
  await expect(awaitAll(calls, (error) => error === undefined)).rejects.toBeUndefined();
  await expect(awaitAll(calls, (error) => error === "c")).rejects.toBe("a");
});
