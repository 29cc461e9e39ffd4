import { createMemoryStore } from "@cm/memory-store";
import { describe, expect, it } from "vitest";
import { createPresence, type PresenceOptions } from "./index.js";

describe("the options of presence", () => {
  const store = createMemoryStore();

  it("need a store alone", () => {
    expect(createPresence(store).stats()).toEqual({ watches: 0, channels: 0, kept: 0 });
  });

  it.each<[string, unknown]>([
    ["maxWatches", 0],
    ["maxUsersPerWatch", 1.5],
    ["maxKept", Number.NaN],
    ["maxBufferedChanges", -1],
    ["recheckIntervalMs", 999],
    ["announceTtlMs", 86_400_001],
    ["onError", "loud"],
    ["users", null],
    ["bus", undefined],
  ])("are refused with a %s that can't be used", (field, value) => {
    // As a program without types would call it.
    const options = { users: store.users, rooms: store.rooms, bus: store.bus, [field]: value } as PresenceOptions;
    expect(() => createPresence(options)).toThrow(
      expect.objectContaining({ code: "options-invalid", details: expect.objectContaining({ field }) }),
    );
  });
});
