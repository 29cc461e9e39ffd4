import { createMemoryStore } from "@cm/memory-store";
import { CmError, type LocalDelivery } from "@cm/protocol";
import { describe, expect, it, onTestFinished } from "vitest";
import { createNode } from "./composed-node.js";
import { type NodeOptions, resolveNodeOptions } from "./options.js";

const NOWHERE: LocalDelivery = { toRoom: () => undefined, toConnection: () => false, toUser: () => 0 };

describe("the options of a node", () => {
  it.each<[object, string]>([
    [{ serverId: "not an id" }, "serverId"],
    [{ serverId: 7 }, "serverId"],
    [{ store: createMemoryStore(), redisUrl: "redis://127.0.0.1" }, "redisUrl"],
    [{ store: createMemoryStore(), prefix: "other" }, "prefix"],
    [{ store: createMemoryStore(), lastSeenTtlMs: 1_000 }, "lastSeenTtlMs"],
    [{ store: createMemoryStore(), roomRecordTtlMs: 1_000 }, "roomRecordTtlMs"],
    [{ redisUrl: "http://127.0.0.1" }, "redisUrl"],
    [{ redisUrl: 6379 }, "redisUrl"],
    [{ redisURL: "redis://127.0.0.1" }, "redisURL"],
    [{ constructor: 1 }, "constructor"],
    [{ prefix: "" }, "prefix"],
    [{ redisUrl: "redis://127.0.0.1", prefix: "{" }, "prefix"],
    [{ prefix: "a b" }, "prefix"],
    [{ url: "redis://127.0.0.1" }, "url"],
    [{ store: {} }, "store"],
    [{ store: null }, "store"],
    [{ local: { toRoom: () => undefined } }, "local"],
    [{ lease: "no" }, "lease"],
    [{ capacity: 0.5 }, "capacity"],
    [{ parts: [{ start: () => undefined }] }, "parts"],
    [{ onGap: "loud" }, "onGap"],
    [{ onError: 1 }, "onError"],
    [{ maxPending: 0 }, "maxPending"],
    [{ maxWatches: 0 }, "maxWatches"],
    [{ leaseTtlMs: 1_000, heartbeatIntervalMs: 2_000 }, "leaseTtlMs"],
    [{ leaseTtlMs: "90 s", lease: false }, "leaseTtlMs"],
    [{ deadAfterMs: Number.NaN, lease: false }, "deadAfterMs"],
    [{ heartbeatIntervalMs: 1.5, lease: false }, "heartbeatIntervalMs"],
    [{ connectionTtlMs: -1, lease: false }, "connectionTtlMs"],
    [{ publishWindowMs: -1 }, "publishWindowMs"],
    [{ publishWindowMs: Number.NaN, lease: false }, "publishWindowMs"],
  ])("refuse %o for its %s", (options, field) => {
    expect(() => createNode({ local: NOWHERE, ...options })).toThrow(
      expect.objectContaining({ code: "options-invalid", details: expect.objectContaining({ field }) }),
    );
  });

  it("refuse values that are not objects", () => {
    // Pass a value that is not an object, as an untyped caller may.
    expect(() => createNode("redis://127.0.0.1" as NodeOptions)).toThrow(
      expect.objectContaining({ code: "options-invalid", details: { field: "options" } }),
    );
  });

  it.each([
    [
      "throws",
      () => {
        throw new Error("a bug");
      },
    ],
    ["rejects", () => Promise.reject(new Error("a bug"))],
  ])("have an onExpelled that %s reported", async (_, onExpelled) => {
    const reported: unknown[] = [];
    const onError: NodeOptions["onError"] = (error, { stage }) => reported.push({ error, stage });
    resolveNodeOptions({ onExpelled, onError }).onExpelled(new CmError("server-id-taken", "Another process has it."));
    await expect
      .poll(() => reported)
      .toMatchObject([{ stage: "handler", error: { code: "internal", message: "onExpelled failed." } }]);
  });

  it("take undefined for the default", () => {
    const node = createNode({ local: NOWHERE, serverId: undefined, leaseTtlMs: undefined, onGap: undefined });
    onTestFinished(() => node.close());
    expect(node.serverId).toMatch(/^server-/);
  });
});
