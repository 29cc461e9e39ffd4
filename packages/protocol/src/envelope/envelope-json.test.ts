import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeUtf8 } from "../utf8.js";
import { type CrossServerMessage, ENVELOPE_VERSION } from "./cross-server-message.js";
import { envelopeFromJson, envelopeToJson } from "./envelope-json.js";

const message: fc.Arbitrary<CrossServerMessage> = fc.record({
  version: fc.constant(ENVELOPE_VERSION),
  kind: fc.constantFrom("room", "connection", "user", "server", "control"),
  origin: fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
  epoch: fc.nat(2 ** 32 - 1),
  sequence: fc.maxSafeNat().map((n) => n % 2 ** 48),
  target: fc.string({ unit: "binary", minLength: 1, maxLength: 60 }),
  except: fc.array(fc.stringMatching(/^[a-z]{1,9}\.[a-z0-9]{4}[0-9][1-9]$/), { maxLength: 3 }),
  payload: fc.oneof(fc.uint8Array({ maxLength: 100 }), fc.string({ unit: "binary" }).map(encodeUtf8)),
});

const PLAIN: CrossServerMessage = {
  version: ENVELOPE_VERSION,
  kind: "room",
  origin: "alpha",
  epoch: 1,
  sequence: 2,
  target: "lobby",
  except: [],
  payload: encodeUtf8("hi"),
};

describe("bus messages as JSON", () => {
  it("come back as they were written, whatever bytes they carry", () => {
    fc.assert(
      fc.property(message, (written) => {
        expect(envelopeFromJson(envelopeToJson(written))).toEqual({ ok: true, value: written });
      }),
      { numRuns: 3000 },
    );
  });

  it("show a payload as text where it is text, else as base64", () => {
    expect(JSON.parse(envelopeToJson(PLAIN))).toEqual({ ...PLAIN, payload: "hi" });
    const { payload: _, ...header } = PLAIN;
    const binary = { ...PLAIN, payload: Uint8Array.of(0xff, 0x00) };
    expect(JSON.parse(envelopeToJson(binary))).toEqual({ ...header, payloadBase64: "/wA=" });
  });

  it("keep whether their payload is stamped", () => {
    for (const isStamped of [true, false]) {
      const read = envelopeFromJson(envelopeToJson({ ...PLAIN, isStamped }));
      expect(read).toEqual({ ok: true, value: isStamped ? { ...PLAIN, isStamped } : PLAIN });
    }
  });

  it("keep a byte order mark and an empty payload", () => {
    for (const payload of [encodeUtf8("\ufeffx"), new Uint8Array(0)]) {
      expect(envelopeFromJson(envelopeToJson({ ...PLAIN, payload }))).toMatchObject({ ok: true, value: { payload } });
    }
  });

  it.each([
    ["kind", ["", ["room"], "rooms", "constructor", "__proto__", null, 1, {}]],
    ["origin", [undefined, null, "", "a.b", 7, ["alpha"]]],
    ["target", [undefined, null, "", 7, [], ["lobby"], { length: 3 }, "x".repeat(256)]],
    ["epoch", [undefined, null, "1", -1, 0.5, 2 ** 32, [1]]],
    ["sequence", [undefined, null, "1", -1, 2 ** 48]],
    ["except", [undefined, null, "a", [1], [""], [["a"]], { length: 0 }]],
    ["isStamped", [null, 0, 1, "", "false", [], {}]],
    ["payload", [undefined, null, 7, {}, ["hi"]]],
  ])("are damaged with a wrong %s", (field, values) => {
    for (const value of values) {
      const json = JSON.stringify({ ...PLAIN, payload: "hi", [field]: value });
      expect(envelopeFromJson(json), json).toMatchObject({ ok: false, error: { code: "envelope-damaged" } });
    }
  });

  it("are distinguished if they have another version", () => {
    for (const version of [0, 2, "1", null]) {
      const json = JSON.stringify({ ...PLAIN, payload: "hi", version });
      expect(envelopeFromJson(json)).toMatchObject({ ok: false, error: { code: "envelope-version" } });
    }
  });

  it("are a message or a coded error for any text: 20,000 of them", () => {
    const fields = fc.dictionary(
      fc.constantFrom("version", "kind", "origin", "epoch", "sequence", "target", "except", "payload", "payloadBase64"),
      fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom(1, "room", "alpha", "", "AA==", "%")),
    );
    const nearly = fields.map((changes) => JSON.stringify({ ...PLAIN, payload: "hi", ...changes }));
    fc.assert(
      fc.property(fc.oneof(nearly, fc.json(), fc.string()), (text) => {
        const result = envelopeFromJson(text);
        return result.ok || ["envelope-damaged", "envelope-version"].includes(result.error.code);
      }),
      { numRuns: 20_000 },
    );
  });
});
