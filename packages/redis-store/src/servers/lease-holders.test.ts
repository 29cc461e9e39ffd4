import { CmError, type Lease } from "@cm/protocol";
import { describe, expect, it } from "vitest";
import { allWritten } from "./lease-holders.js";

const lease: Lease = { serverId: "a", incarnation: "aaaa", token: 1, expiresAtMs: 1, ttlMs: 1, wasReaped: false };
const fails = (code: "store-corrupt" | "timeout"): Promise<never> => Promise.reject(new CmError(code, code));

describe("of several writes that fail", () => {
  it("the lease-lost error is reported, whatever else failed", async () => {
    const writes = [fails("store-corrupt"), Promise.resolve(false), fails("timeout")];
    await expect(allWritten(writes, lease)).rejects.toMatchObject({ code: "lease-lost" });
  });

  it("a retryable error is reported rather than a permanent one", async () => {
    await expect(allWritten([fails("store-corrupt"), fails("timeout")], lease)).rejects.toMatchObject({
      code: "timeout",
    });
    await expect(allWritten([Promise.resolve(true), fails("store-corrupt")], lease)).rejects.toMatchObject({
      code: "store-corrupt",
    });
  });

  it("none is reported before the last one has settled", async () => {
    let isDone = false;
    const slow = new Promise<boolean>((resolve) => setImmediate(() => resolve(true))).finally(() => {
      isDone = true;
    });
    await expect(allWritten([fails("timeout"), slow], lease)).rejects.toMatchObject({ code: "timeout" });
    expect(isDone).toBe(true);
  });
});
