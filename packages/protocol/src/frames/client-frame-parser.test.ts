import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isCmError } from "../errors.js";
import { MEMBERS_PAGE_DEFAULT, MEMBERS_PAGE_MAX } from "./client-frame-descriptions.js";
import { type ClientFrame, parseClientFrame } from "./client-frame-parser.js";
import { REF_MAX_LENGTH } from "./field-kinds.js";

const CODES = [
  "frame-not-json",
  "frame-invalid",
  "operation-unknown",
  "name-invalid",
  "name-too-long",
  "id-invalid",
] as const;

const ID = "alpha.aaaa01";

/** Frames as a client writes them, and the result of parsing them. */
const VALID: readonly (readonly [object, ClientFrame])[] = [
  [
    { type: "hello", version: 1 },
    { type: "hello", version: 1 },
  ],
  [
    { type: "hello", version: 999 },
    { type: "hello", version: 999 },
  ],
  [
    { type: "join", room: "lobby" },
    { type: "join", room: "lobby" },
  ],
  [
    { type: "join", room: "lobby", since: { epoch: 7, offset: 0, extra: 1 } },
    { type: "join", room: "lobby", since: { epoch: 7, offset: 0 } },
  ],
  [
    { type: "leave", room: "日本" },
    { type: "leave", room: "日本" },
  ],
  [
    { type: "publish", room: "lobby", data: null },
    { type: "publish", room: "lobby", data: null, echo: true },
  ],
  [
    { type: "publish", room: "lobby", data: 1, key: "x".repeat(64) },
    { type: "publish", room: "lobby", data: 1, key: "x".repeat(64), echo: true },
  ],
  [
    { type: "publish", room: "lobby", data: { a: [1] }, echo: false },
    { type: "publish", room: "lobby", data: { a: [1] }, echo: false },
  ],
  [
    { type: "send", connection: ID, data: 0 },
    { type: "send", connection: ID, data: 0 },
  ],
  [
    { type: "send", user: "ann", data: "" },
    { type: "send-user", user: "ann", data: "" },
  ],
  [
    { type: "members", room: "lobby" },
    { type: "members", room: "lobby", limit: MEMBERS_PAGE_DEFAULT },
  ],
  [
    { type: "members", room: "lobby", limit: MEMBERS_PAGE_MAX, cursor: "c" },
    { type: "members", room: "lobby", limit: MEMBERS_PAGE_MAX, cursor: "c" },
  ],
  [{ type: "ping" }, { type: "ping" }],
];

describe("client frames", () => {
  it.each(VALID)("reads %j", (written, read) => {
    expect(parseClientFrame(JSON.stringify(written))).toEqual({ ok: true, value: read });
  });

  it("repeats a reference, in the frame or in the fault", () => {
    for (const ref of ["", "r", 0, -1.5, 1e300, "x".repeat(REF_MAX_LENGTH), "__proto__"]) {
      for (const [written, read] of VALID) {
        expect(parseClientFrame(JSON.stringify({ ...written, ref }))).toEqual({ ok: true, value: { ...read, ref } });
      }
      for (const bad of [{ type: "nothing" }, { type: "join" }, { type: "send", connection: "x", data: 1 }]) {
        expect(parseClientFrame(JSON.stringify({ ...bad, ref }))).toMatchObject({ ok: false, ref });
      }
    }
  });

  it.each(["null", "true", "[]", "{}", '["r"]', "1e999", JSON.stringify("x".repeat(REF_MAX_LENGTH + 1))])(
    "refuses %s as a reference and does not repeat it",
    (ref) => {
      const result = parseClientFrame(`{"type":"ping","ref":${ref}}`);
      expect(result).toMatchObject({ ok: false, error: { code: "frame-invalid" } });
      expect(result).not.toHaveProperty("ref");
    },
  );

  it.each([
    ['{"type":"publish","room":"lobby"}', "publish needs data: "],
    ['{"type":"members","room":"lobby","limit":"7"}', "limit must be "],
    ['{"type":"members","room":"lobby","limit":null}', "limit must be "],
  ])("says of %s that it %s…", (text, start) => {
    const result = parseClientFrame(text);
    expect(result.ok ? undefined : result.error.message.slice(0, start.length)).toBe(start);
  });

  it("ignores fields that it does not know, and drops them", () => {
    for (const [written, read] of VALID) {
      const text = JSON.stringify({ extra: { deep: [1] }, constructor: 1, ...written, "": null });
      const withProto = text.replace("{", '{"__proto__":{"ref":"stolen","room":"stolen"},');
      expect(parseClientFrame(withProto)).toEqual({ ok: true, value: read });
    }
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  it.each([
    ["frame-not-json", ""],
    ["frame-not-json", "hello"],
    ["frame-not-json", '{"type":"ping"'],
    ["frame-not-json", '{"type":"ping"} x'],
    ["frame-not-json", "\ufeff{}"],
    ...["null", "7", "[]", "{}", '{"epoch":1}', '{"epoch":0,"offset":1}', '{"epoch":1,"offset":1.5}'].map(
      (since): [string, string] => ["frame-invalid", `{"type":"join","room":"lobby","since":${since}}`],
    ),
    ["frame-invalid", "null"],
    ["frame-invalid", "[]"],
    ["frame-invalid", '[{"type":"ping"}]'],
    ["frame-invalid", '"ping"'],
    ["frame-invalid", "7"],
    ["operation-unknown", "{}"],
    ["operation-unknown", '{"type":""}'],
    ["operation-unknown", '{"type":7}'],
    ["operation-unknown", '{"type":["ping"]}'],
    ["operation-unknown", '{"type":null}'],
    ["operation-unknown", '{"type":"PING"}'],
    ["operation-unknown", '{"type":"send-user","user":"ann","data":1}'],
    ["operation-unknown", '{"type":"constructor"}'],
    ["operation-unknown", '{"type":"__proto__"}'],
    ["operation-unknown", '{"type":"hasOwnProperty"}'],
    ["operation-unknown", '{"type":"toString"}'],
    ["operation-unknown", '{"__proto__":{"type":"ping"}}'],
    ["frame-invalid", '{"type":"hello"}'],
    ["frame-invalid", '{"type":"hello","version":"1"}'],
    ["name-invalid", '{"type":"join"}'],
    ["name-invalid", '{"type":"join","room":""}'],
    ["name-invalid", '{"type":"join","room":7}'],
    ["name-invalid", '{"type":"join","room":["lobby"]}'],
    ["name-invalid", '{"type":"leave","room":"\\ud800"}'],
    ["name-too-long", JSON.stringify({ type: "join", room: "x".repeat(256) })],
    ["name-too-long", JSON.stringify({ type: "join", room: "x".repeat(1_000_000) })],
    ["frame-invalid", '{"type":"publish","room":"r"}'],
    ["frame-invalid", '{"type":"publish","room":"r","data":1,"echo":null}'],
    ["frame-invalid", '{"type":"publish","room":"r","data":1,"echo":1}'],
    ["frame-invalid", '{"type":"publish","room":"r","data":1,"key":""}'],
    ["frame-invalid", '{"type":"publish","room":"r","data":1,"key":7}'],
    ["frame-invalid", JSON.stringify({ type: "publish", room: "r", data: 1, key: "x".repeat(65) })],
    ["name-invalid", '{"type":"publish","data":1}'],
    ["frame-invalid", '{"type":"send","data":1}'],
    ["frame-invalid", `{"type":"send","connection":"${ID}"}`],
    ["frame-invalid", `{"type":"send","connection":"${ID}","user":"ann","data":1}`],
    ["id-invalid", '{"type":"send","connection":"nobody","data":1}'],
    ["id-invalid", `{"type":"send","connection":["${ID}"],"data":1}`],
    ["name-invalid", '{"type":"send","user":"","data":1}'],
    ["name-too-long", JSON.stringify({ type: "send", user: "é".repeat(128), data: 1 })],
    ["frame-invalid", '{"type":"members","room":"r","limit":0}'],
    ["frame-invalid", '{"type":"members","room":"r","limit":1001}'],
    ["frame-invalid", '{"type":"members","room":"r","limit":1.5}'],
    ["frame-invalid", '{"type":"members","room":"r","limit":"10"}'],
    ["frame-invalid", '{"type":"members","room":"r","limit":1e999}'],
    ["frame-invalid", '{"type":"members","room":"r","limit":null}'],
    ["frame-invalid", '{"type":"members","room":"r","cursor":5}'],
    ["name-invalid", '{"type":"members"}'],
  ])("answers %s to a faulty frame (%#)", (code, text) => {
    expect(parseClientFrame(text)).toMatchObject({ ok: false, error: { code } });
  });

  it("tells a client where connection ids come from, in words of the protocol", () => {
    const result = parseClientFrame('{"type":"send","connection":"nobody","data":1}');
    expect(result.ok ? undefined : result.error.message).toBe(
      "This is not a connection id. Use the id from welcome, from a message or from members.",
    );
  });

  it("survives text that nests very deep", () => {
    const deep = `{"type":"publish","room":"r","data":${"[".repeat(200_000)}${"]".repeat(200_000)}}`;
    const result = parseClientFrame(deep);
    expect(result.ok || isCmError(result.error)).toBe(true);
  });
});

describe("client frames with faults", () => {
  const total = (text: string) => {
    const result = parseClientFrame(text);
    if (result.ok) return typeof result.value.type === "string";
    return isCmError(result.error) && CODES.some((code) => code === result.error.code);
  };

  it("are a frame or a coded fault: 30,000 random texts", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary", maxLength: 100 }),
      fc
        .array(fc.constantFrom('"', "{", "}", "[", "]", ":", ",", "type", "ping", "ref", "1", "\\", "null", " "), {
          maxLength: 30,
        })
        .map((tokens) => tokens.join("")),
    );
    fc.assert(fc.property(text, total), { numRuns: 30_000 });
  });

  it("are a frame or a coded fault: 30,000 random JSON documents", () => {
    const types = VALID.map(([written]) => (written as { type: string }).type);
    const odd = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom(ID, "lobby", "", "__proto__", 0, -0, 1e308, "x".repeat(300), "\ud800"),
    );
    const shaped = fc
      .dictionary(
        fc.constantFrom("ref", "room", "user", "connection", "data", "echo", "key", "limit", "cursor", "version"),
        odd,
      )
      .chain((fields) => fc.oneof(fc.constantFrom(...types), odd).map((type) => JSON.stringify({ ...fields, type })));
    fc.assert(fc.property(fc.oneof(shaped, fc.json()), total), { numRuns: 30_000 });
  });

  it("are a frame or a coded fault: 50,000 valid frames with some characters changed", () => {
    const texts = VALID.flatMap(([written]) => [JSON.stringify(written), JSON.stringify({ ...written, ref: "r1" })]);
    const change = fc.record({
      at: fc.nat(200),
      remove: fc.nat(4),
      insert: fc.oneof(
        fc.string({ unit: "binary", maxLength: 3 }),
        fc.constantFrom('"', "{", "}", "[", "]", ":", ",", "\\u0000", "null", "-", "1e999", "\ud800"),
      ),
    });
    fc.assert(
      fc.property(fc.constantFrom(...texts), fc.array(change, { minLength: 1, maxLength: 4 }), (text, changes) => {
        let mutated = text;
        for (const { at, remove, insert } of changes) {
          const from = at % (mutated.length + 1);
          mutated = mutated.slice(0, from) + insert + mutated.slice(from + remove);
        }
        return total(mutated);
      }),
      { numRuns: 50_000 },
    );
  });
});
