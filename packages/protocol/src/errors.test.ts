import { describe, expect, it, vi } from "vitest";
import { CmError, ERROR_CODES, type ErrorCode, isCmError, toCmError } from "./errors.js";

describe("errors", () => {
  it("carry a code, whether to try again, a cause and details", () => {
    const cause = new Error("socket");
    const error = new CmError("unavailable", "no store", { cause, details: { host: "h" } });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: "CmError", code: "unavailable", retryable: true, message: "no store" });
    expect(error.cause).toBe(cause);
    expect(error.details).toEqual({ host: "h" });
    expect(String(error)).toBe("CmError: no store");
  });

  it("have no cause and no details if none were given", () => {
    const error = new CmError("internal", "x");
    expect("cause" in error).toBe(false);
    expect(error.details).toBeUndefined();
  });

  it("take retryable from the table, for every code", () => {
    // The keys of the table are the codes.
    for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
      expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
      expect(new CmError(code, "x").retryable).toBe(ERROR_CODES[code].retryable);
      expect(ERROR_CODES[code].meaning).toMatch(/\.$/);
    }
  });

  it("are worth another try only if the state of the world may change by itself", () => {
    const retryable = (Object.keys(ERROR_CODES) as ErrorCode[]).filter((code) => ERROR_CODES[code].retryable);
    expect(retryable).toEqual([
      "pending-limit",
      "rate-limited",
      "capacity-reached",
      "connections-limit",
      "unavailable",
      "timeout",
      "lease-lost",
      "server-id-taken",
      "server-id-expired",
      "server-alive",
    ]);
  });

  it("are recognized when another copy of the package made them", async () => {
    vi.resetModules();
    const copy = await import("./errors.js");
    expect(copy.CmError).not.toBe(CmError);
    const error = new copy.CmError("timeout", "late");
    expect(error).not.toBeInstanceOf(CmError);
    expect(isCmError(error)).toBe(true);
    expect(toCmError(error, "internal", "wrapped")).toBe(error);
    expect(copy.isCmError(new CmError("timeout", "late"))).toBe(true);
  });

  it.each([undefined, null, 0, "CmError", {}, [], new Error("x"), { code: "timeout", name: "CmError" }, Symbol("x")])(
    "are not seen in anything else (%#)",
    (value) => expect(isCmError(value)).toBe(false),
  );

  it("keep the mark out of what is printed or copied", () => {
    const error = new CmError("timeout", "late");
    expect(JSON.parse(JSON.stringify(error))).toEqual({ name: "CmError", code: "timeout", retryable: true });
    expect(isCmError({ ...error })).toBe(false);
  });

  it("wrap whatever else was thrown", () => {
    for (const cause of [new Error("x"), "text", undefined, null]) {
      const error = toCmError(cause, "internal", "failed");
      expect(error).toMatchObject({ code: "internal", message: "failed" });
      expect(error.cause ?? undefined).toBe(cause ?? undefined);
    }
  });
});
