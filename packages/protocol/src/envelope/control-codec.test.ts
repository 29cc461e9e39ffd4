import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CLOSE_CODES, type CloseReason } from "../close-codes.js";
import { ERROR_CODES, type ErrorCode } from "../errors.js";
import { encodeUtf8 } from "../utf8.js";
import { decodeControl, encodeControl } from "./control-codec.js";
import { type ControlPayload, QUESTION_MAX_BYTES, type ServerOperation } from "./server-operation.js";

const connectionId = fc.stringMatching(/^[a-z]{1,64}\.[a-z0-9]{4}[0-9][1-9][a-z0-9]{0,9}$/);
const name = fc.oneof(
  fc.string({ minLength: 1, maxLength: 255 }),
  fc.string({ unit: "binary", minLength: 1, maxLength: 80 }).filter((text) => encodeUtf8(text).length <= 255),
);
const bytes = fc.uint8Array({ maxLength: 200 });
const operation: fc.Arbitrary<ServerOperation> = fc.oneof(
  fc.record({ type: fc.constant("deliver-connection" as const), connectionId, frame: bytes }),
  fc.record({ type: fc.constant("deliver-user" as const), userId: name, frame: bytes }),
  fc.record({ type: fc.constant("deliver-server" as const), payload: bytes }),
  fc.record({
    type: fc.constant("disconnect" as const),
    connectionId,
    // `Object.keys` widens the keys to `string`; they are the keys of CLOSE_CODES.
    reason: fc.constantFrom(...(Object.keys(CLOSE_CODES) as CloseReason[])),
  }),
  fc.record({ type: fc.constantFrom("join" as const, "leave" as const), connectionId, room: name }),
  fc.record({ type: fc.constantFrom("drain" as const, "ping" as const) }),
  fc.record({ type: fc.constant("question" as const), question: bytes }),
  fc.record({ type: fc.constant("positions" as const), rooms: fc.array(name, { maxLength: 20 }) }),
);
const payload: fc.Arbitrary<ControlPayload> = fc.oneof(
  fc.record({ type: fc.constant("request" as const), timeoutMs: fc.nat(2 ** 32 - 1), operation }),
  fc.record({
    type: fc.constant("answer" as const),
    to: fc.record({ epoch: fc.nat(2 ** 32 - 1), sequence: fc.maxSafeNat().map((n) => n % 2 ** 48) }),
    outcome: fc.oneof(
      fc.record({ type: fc.constant("done" as const), body: bytes }),
      fc.record({ type: fc.constant("not-found" as const) }),
      fc.record({
        type: fc.constant("refused" as const),
        // `Object.keys` widens the keys to `string`; they are the keys of ERROR_CODES.
        code: fc.constantFrom(...(Object.keys(ERROR_CODES) as ErrorCode[])),
      }),
    ),
  }),
);

const JOIN = encodeControl({
  type: "request",
  timeoutMs: 1_000,
  operation: { type: "join", connectionId: "alpha.aaaa01", room: "lobby" },
});

describe("control payloads", () => {
  it("come back as they were written", () => {
    fc.assert(
      fc.property(payload, (written) => {
        expect(decodeControl(encodeControl(written))).toEqual({ ok: true, value: written });
      }),
      { numRuns: 3000 },
    );
  });

  it("are read or refused with a code, whatever bytes come: 50,000 of them", () => {
    const nearly = fc.tuple(payload, fc.nat(), fc.nat(255), fc.nat(40)).map(([written, at, byte, cut]) => {
      const encoded = encodeControl(written);
      encoded[at % encoded.length] = byte;
      return encoded.subarray(0, Math.max(0, encoded.length - (cut < 20 ? cut : 0)));
    });
    fc.assert(
      fc.property(fc.oneof(nearly, fc.uint8Array({ maxLength: 60 })), (garbage) => {
        const result = decodeControl(garbage);
        if (!result.ok) return ["operation-unknown", "envelope-damaged"].includes(result.error.code);
        // A value that was decoded can be encoded again with the same meaning.
        expect(decodeControl(encodeControl(result.value))).toEqual(result);
        return true;
      }),
      { numRuns: 50_000 },
    );
  });

  it("distinguish a newer server's request from an invalid one", () => {
    const newer = JOIN.slice();
    newer[0] = 99;
    expect(decodeControl(newer)).toMatchObject({ ok: false, error: { code: "operation-unknown" } });
    const truncated = JOIN.subarray(0, JOIN.length - 1);
    expect(decodeControl(truncated)).toMatchObject({ ok: false, error: { code: "operation-unknown" } });
    for (const nothing of [[], [0], [1, 2], [128, 0], [129, 0, 0, 0, 0, 0], [255]]) {
      expect(decodeControl(Uint8Array.from(nothing))).toMatchObject({ ok: false, error: { code: "envelope-damaged" } });
    }
  });

  it("may have further fields behind those that are known", () => {
    const longer = new Uint8Array(JOIN.length + 10);
    longer.set(JOIN);
    expect(decodeControl(longer)).toEqual(decodeControl(JOIN));
  });

  it("carry only error codes that are known; another one is a fault of the other side", () => {
    const refusal = (code: string) => {
      const done = encodeControl({
        type: "answer",
        to: { epoch: 1, sequence: 1 },
        outcome: { type: "done", body: encodeUtf8(code) },
      });
      done[11] = 3;
      return decodeControl(done);
    };
    expect(refusal("rooms-limit")).toMatchObject({ value: { outcome: { type: "refused", code: "rooms-limit" } } });
    for (const code of ["", "toString", "__proto__", "brand-new", "x".repeat(10_000)]) {
      expect(refusal(code)).toMatchObject({ value: { outcome: { type: "refused", code: "internal" } } });
    }
  });

  it("are refused where they are too large", () => {
    const question = (size: number): ControlPayload => ({
      type: "request",
      timeoutMs: 1,
      operation: { type: "question", question: new Uint8Array(size) },
    });
    expect(decodeControl(encodeControl(question(QUESTION_MAX_BYTES))).ok).toBe(true);
    const answer: ControlPayload = {
      type: "answer",
      to: { epoch: 1, sequence: 1 },
      outcome: { type: "done", body: new Uint8Array(QUESTION_MAX_BYTES + 1) },
    };
    const positions: ControlPayload = {
      type: "request",
      timeoutMs: 1,
      operation: { type: "positions", rooms: Array(QUESTION_MAX_BYTES / 2 + 1).fill("r") },
    };
    for (const [what, tooLarge] of [
      ["A question", question(QUESTION_MAX_BYTES + 1)],
      ["An answer", answer],
      ["A list of rooms", positions],
    ] as const) {
      expect(() => encodeControl(tooLarge)).toThrowError(
        expect.objectContaining({
          code: "payload-too-large",
          message: `${what} is larger than ${QUESTION_MAX_BYTES} bytes.`,
        }),
      );
    }
  });
});
