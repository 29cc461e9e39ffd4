import { CLIENT_ERROR_CODES, CmError, ERROR_CODES, type ErrorCode, isClientErrorCode } from "@cm/protocol";
import { createFaultCounter } from "@cm/transport";
import { describe, expect, it } from "vitest";
import { LimitCounter } from "../../limits/limit-counter.js";
import { ClientResponses } from "./client-responses.js";

function refusal(cause: unknown): { readonly frame: unknown; readonly faults: readonly unknown[] } {
  const frames: unknown[] = [];
  const faults: unknown[] = [];
  const refused = createFaultCounter();
  new ClientResponses(
    { send: (text) => frames.push(JSON.parse(String(text))) > 0 },
    {
      onFault: (fault) => faults.push(fault),
      refused,
      reached: new LimitCounter(),
    },
  ).refuse(cause, 1);
  expect(frames).toEqual([expect.objectContaining({ type: "error" })]);
  const [{ code = "" } = {}] = frames as { readonly code?: string }[];
  expect(refused.counts()).toEqual({ [code]: 1 });
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

  it.each([
    ["unavailable", "Redis refuses this client: NOPERM. Its user lacks the permission for the command PUBLISH.", true],
    ["unavailable", "Redis refuses writes for now: OOM.", true],
    ["unavailable", "Redis can't be reached.", false],
    ["timeout", "Redis did not answer within 5000 ms.", false],
    ["closed", "The store was closed.", false],
  ] as const)("sends a client %s with its meaning, without the text of the store: %s", (code, message, isReply) => {
    const cause = new CmError(code, message, isReply ? { cause: new Error("NOPERM or OOM") } : {});
    const { meaning, retryable } = CLIENT_ERROR_CODES[code];
    expect(refusal(cause)).toEqual({
      frame: { type: "error", code, message: meaning, retryable, ref: 1 },
      // The operator is told of the error reply; a link that is down is reported elsewhere.
      faults: isReply ? [cause] : [],
    });
  });

  it("sends a client the message of a hook's refusal, also with a code that the store uses", () => {
    const cause = new CmError("unavailable", "The shop is closed.", { details: { hook: "onJoin" } });
    expect(refusal(cause)).toMatchObject({
      frame: { code: "unavailable", message: "The shop is closed." },
      faults: [],
    });
  });
});
