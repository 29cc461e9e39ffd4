import { CLIENT_ERROR_CODES, CmError, ERROR_CODES, type ErrorCode, isClientErrorCode } from "@cm/protocol";
import { describe, expect, it } from "vitest";
import { ClientResponses } from "./client-responses.js";

function refusal(cause: unknown): { readonly frame: unknown; readonly faults: readonly unknown[] } {
  const frames: unknown[] = [];
  const faults: unknown[] = [];
  new ClientResponses(
    (text) => frames.push(JSON.parse(text)),
    (fault) => faults.push(fault),
  ).refuse(cause, 1);
  expect(frames).toHaveLength(1);
  return { frame: frames[0], faults };
}

describe("a refusal", () => {
  it("sends a client no program error code: it sends internal, and logs the error", () => {
    const codes = Object.keys(ERROR_CODES) as ErrorCode[];
    const programCodes = codes.filter((code) => !isClientErrorCode(code));
    expect(programCodes).toEqual(expect.arrayContaining(["transition-invalid", "not-initialized", "config-invalid"]));
    for (const code of programCodes) {
      const cause = new CmError(code, "A game that is finished can't start.");
      const { meaning: message } = CLIENT_ERROR_CODES.internal;
      expect(refusal(cause)).toEqual({
        frame: { type: "error", code: "internal", message, retryable: false, ref: 1 },
        faults: [cause],
      });
    }
  });

  it("sends a client error code with its message", () => {
    const cause = new CmError("rooms-limit", "A connection can be in at most 3 rooms.");
    expect(refusal(cause)).toEqual({
      frame: { type: "error", code: "rooms-limit", message: cause.message, retryable: false, ref: 1 },
      faults: [],
    });
  });
});
