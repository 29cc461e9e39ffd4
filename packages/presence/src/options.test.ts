import { createMemoryStore } from "@cm/memory-store";
import { describe, expect, it } from "vitest";
import { createPresence, type PresenceOptions } from "./index.js";
import { resolvePresenceOptions } from "./options.js";

describe("the options of presence", () => {
  const store = createMemoryStore();
  const { users, rooms, counts, partitions, bus } = store;
  const parts = { users, rooms, counts, partitions, bus };

  it("need a store alone", () => {
    expect(createPresence(store).stats()).toEqual({ watches: 0, channels: 0, kept: 0 });
  });

  /** An invalid value for each option. The compiler requires an entry for every option. */
  const wrong: Readonly<Record<keyof PresenceOptions, unknown>> = {
    users: null,
    rooms: {},
    counts: { rooms: () => 0 },
    partitions: "16",
    bus: undefined,
    link: {},
    maxWatches: 0,
    maxUsersPerWatch: 1.5,
    maxCachedStates: Number.NaN,
    maxBufferedChanges: -1,
    recheckIntervalMs: 999,
    restoreWithinMs: "1s",
    announceTtlMs: 86_400_001,
    isComplete: true,
    onError: "loud",
  };

  it.each(Object.entries(wrong))("are refused with a %s that can't be used", (field, value) => {
    // Pass an invalid value, as an untyped caller may.
    const options = { ...parts, [field]: value } as PresenceOptions;
    expect(() => createPresence(options)).toThrow(
      expect.objectContaining({ code: "options-invalid", details: expect.objectContaining({ field }) }),
    );
  });

  it("take undefined for not given", () => {
    const all: Partial<PresenceOptions> = Object.fromEntries(Object.keys(wrong).map((name) => [name, undefined]));
    const [given, left] = [{ ...all, ...parts }, parts].map((each) => resolvePresenceOptions(each));
    expect(given).toEqual({ ...left, onError: expect.any(Function) });
  });

  it.each<[string, unknown]>([
    ["options", undefined],
    ["options", null],
    ["options", 42],
    ["users", {}],
    ["maxWatch", { ...parts, maxWatch: 1 }],
  ])("are refused with %s where they are %o", (field, options) => {
    // Pass invalid options, as an untyped caller may.
    expect(() => createPresence(options as PresenceOptions)).toThrow(
      expect.objectContaining({ code: "options-invalid", details: expect.objectContaining({ field }) }),
    );
  });
});
