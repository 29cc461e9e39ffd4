import { createMemoryStore } from "@cm/memory-store";
import type { HistorySlice } from "@cm/protocol";
import { expect, it, vi } from "vitest";
import { epochNotice } from "./epoch-notice.js";
import { HistoryReader } from "./history-reader.js";

const pauses = vi.hoisted((): number[] => []);

vi.mock("node:timers/promises", async (original) => ({
  ...(await original<typeof import("node:timers/promises")>()),
  setTimeout: async (ms: number) => void pauses.push(ms),
}));

it("pauses for 100 ms first after three new epochs, and then for longer after each failure", async () => {
  const { history } = createMemoryStore().bus;
  if (history === undefined) throw new Error("A memory store keeps histories.");
  const at = { epoch: 7, offset: 3 };
  const slice = (offset: number): HistorySlice => ({
    top: { epoch: 7, offset },
    complete: true,
    former: undefined,
    entries: [],
  });
  let reads = 0;
  history.since = async () => {
    reads++;
    if (reads <= 3) return slice(1); // Set back: a new epoch has to begin.
    if (reads <= 5) throw new Error("The history can't be read.");
    return slice(3);
  };
  let restarts = 0;
  history.restart = async () => {
    restarts++;
    return at;
  };
  const reader = new HistoryReader({
    room: "lobby",
    history,
    notice: epochNotice("a", "lobby"),
    read: () => undefined,
    signal: new AbortController().signal,
  });
  const reading = { at, reached: () => 3, compares: false, hasTime: () => true };
  expect(await reader.read(reading)).toMatchObject({ top: at });
  expect(restarts).toBe(3);
  expect(pauses).toEqual([100, 200, 400]);
});
