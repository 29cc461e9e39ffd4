import { describe, expect, it } from "vitest";
import { createMemoryHub, createMemoryStore } from "./index.js";
import { resolveMemoryStoreOptions } from "./options.js";

describe("options of a memory store", () => {
  it("need not be given", async () => {
    const store = createMemoryStore();
    await store.start();
    expect((await store.servers.snapshot()).living).toEqual([]);
    await store.close();
  });

  const wrong: [string, object][] = [
    ["namespace", { namespace: "" }],
    ["namespace", { namespace: 7 }],
    ["now", { now: 7 }],
    ["now", { now: () => 0, hub: createMemoryHub() }],
    ["lastSeenTtlMs", { lastSeenTtlMs: -1 }],
    ["lastSeenMax", { lastSeenMax: 0.5 }],
    ["roomRecordTtlMs", { roomRecordTtlMs: 0 }],
    ["historyMaxMessages", { historyMaxMessages: 0 }],
    ["historyMaxMessages", { historyMaxMessages: 100_001 }],
    ["historyTtlMs", { historyTtlMs: 0 }],
    ["onError", { onError: "log" }],
    ["hub", { hub: { now: () => 0 } }],
    ["hub", { hub: null }],
    ["sessionTtl", { sessionTtl: 1 }],
  ];

  it("take undefined for not given", () => {
    const options = resolveMemoryStoreOptions({
      hub: undefined,
      now: undefined,
      lastSeenTtlMs: undefined,
      onError: undefined,
    });
    expect(options.lastSeen).toEqual(resolveMemoryStoreOptions({}).lastSeen);
    expect(createMemoryHub({ now: undefined }).now()).toBeGreaterThan(0);
  });

  it.each(wrong)("are refused with a wrong %s (%#)", (field, options) => {
    expect(() => createMemoryStore(options)).toThrow(
      expect.objectContaining({ code: "options-invalid", details: expect.objectContaining({ field }) }),
    );
  });

  it.each([null, 42])("are refused where they are %s", (options) => {
    // A value that a program without types may pass.
    expect(() => createMemoryStore(options as never)).toThrow(
      expect.objectContaining({ code: "options-invalid", details: { field: "options" } }),
    );
  });

  it.each<[unknown, string]>([
    [null, "options"],
    [{ now: 7 }, "now"],
    [{ namespace: "cm" }, "namespace"],
  ])("are refused by a hub where they are %o", (options, field) => {
    expect(() => createMemoryHub(options as never)).toThrow(
      expect.objectContaining({ code: "options-invalid", details: expect.objectContaining({ field }) }),
    );
  });
});
