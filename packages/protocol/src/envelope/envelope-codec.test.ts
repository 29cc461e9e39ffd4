import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CmError, ERROR_CODES, isCmError } from "../errors.js";
import { encodeUtf8 } from "../utf8.js";
import { type CrossServerMessage, ENVELOPE_EXCEPT_MAX, ENVELOPE_VERSION } from "./cross-server-message.js";
import { decodeEnvelope, encodeEnvelope } from "./envelope-codec.js";

type Message = Omit<CrossServerMessage, "version">;

const kind = fc.constantFrom("room", "connection", "user", "server", "control");
const origin = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
const target = fc.oneof(
  fc.string({ minLength: 1, maxLength: 255 }),
  fc.string({ unit: "binary", minLength: 1, maxLength: 255 }).filter((text) => encodeUtf8(text).length <= 255),
);
const connectionId = fc.stringMatching(/^[a-z]{1,64}\.[a-z0-9]{4}[0-9][1-9][a-z0-9]{0,9}$/);
const message: fc.Arbitrary<Message> = fc.record({
  kind,
  origin,
  target,
  epoch: fc.oneof(fc.constantFrom(0, 1, 2 ** 32 - 1), fc.nat(2 ** 32 - 1)),
  sequence: fc.oneof(
    fc.constantFrom(0, 1, 2 ** 32, 2 ** 48 - 1),
    fc.maxSafeNat().map((n) => n % 2 ** 48),
  ),
  except: fc.array(connectionId, { maxLength: 5 }),
  payload: fc.uint8Array({ maxLength: 300 }),
});

const PLAIN: Message = {
  kind: "room",
  origin: "alpha",
  target: "lobby",
  epoch: 7,
  sequence: 42,
  except: [],
  payload: encodeUtf8('{"type":"message"}'),
};

const headerBytesOf = (bytes: Uint8Array) => ((bytes[4] ?? 0) << 8) | (bytes[5] ?? 0);

/** Writes a valid check into a header, so that tests can forge headers. Computes it independently of the codec. */
function sign(bytes: Uint8Array): Uint8Array {
  let check = 0xffff;
  const header = bytes.subarray(0, headerBytesOf(bytes));
  for (const byte of [...header.subarray(0, 6), ...header.subarray(18), ...header.subarray(8, 18)]) {
    for (let bit = 7; bit >= 0; bit--) {
      const carry = ((check >> 15) ^ (byte >> bit)) & 1;
      check = ((check << 1) & 0xffff) ^ (carry ? 0x1021 : 0);
    }
  }
  bytes[6] = check >>> 8;
  bytes[7] = check & 0xff;
  return bytes;
}

describe("bus messages", () => {
  it("come back as they were written", () => {
    fc.assert(
      fc.property(message, (written) => {
        const bytes = encodeEnvelope(written);
        expect(decodeEnvelope(bytes)).toEqual({ ok: true, value: { version: ENVELOPE_VERSION, ...written } });
      }),
      { numRuns: 3000 },
    );
  });

  it("come back from the middle of a larger buffer, with the payload as a view of it", () => {
    const bytes = encodeEnvelope(PLAIN);
    const larger = new Uint8Array(bytes.length + 20).fill(0xc3);
    larger.set(bytes, 10);
    const result = decodeEnvelope(larger.subarray(10, 10 + bytes.length));
    if (!result.ok) throw result.error;
    expect(result.value).toMatchObject({ ...PLAIN, payload: PLAIN.payload });
    expect(result.value.payload.buffer).toBe(larger.buffer);
  });

  it("carry 255 excepted connections of the longest kind, and an empty or large payload", () => {
    const longest = `${"x".repeat(64)}.aaaag${Number.MAX_SAFE_INTEGER.toString(36)}`;
    const except = Array.from({ length: ENVELOPE_EXCEPT_MAX }, () => longest);
    for (const payload of [new Uint8Array(0), new Uint8Array(1_000_000).fill(0xc3)]) {
      const written = { ...PLAIN, origin: "o".repeat(64), target: "日".repeat(85), except, payload };
      const result = decodeEnvelope(encodeEnvelope(written));
      if (!result.ok) throw result.error;
      const { payload: read, ...header } = result.value;
      const { payload: _, ...expected } = written;
      expect(header).toEqual({ version: ENVELOPE_VERSION, ...expected });
      expect(Buffer.compare(read, payload)).toBe(0);
    }
  });

  it("copy the payload: changing it afterwards changes nothing", () => {
    const payload = Uint8Array.of(1, 2, 3);
    const bytes = encodeEnvelope({ ...PLAIN, payload });
    payload.fill(9);
    expect(decodeEnvelope(bytes)).toMatchObject({ value: { payload: Uint8Array.of(1, 2, 3) } });
  });

  it.each([
    ["id-invalid", { origin: "" }],
    ["id-invalid", { origin: "a.b" }],
    ["id-invalid", { origin: "x".repeat(65) }],
    ["name-invalid", { target: "" }],
    ["name-invalid", { target: "\ud800" }],
    ["name-too-long", { target: "x".repeat(256) }],
    ["name-too-long", { target: "é".repeat(128) }],
    ["id-invalid", { epoch: -1 }],
    ["id-invalid", { epoch: 2 ** 32 }],
    ["id-invalid", { epoch: 0.5 }],
    ["id-invalid", { sequence: -1 }],
    ["id-invalid", { sequence: 2 ** 48 }],
    ["id-invalid", { sequence: Number.NaN }],
    ["id-invalid", { except: [""] }],
    ["id-invalid", { except: ["é"] }],
    ["id-invalid", { except: ["x".repeat(82)] }],
    ["id-invalid", { except: Array.from({ length: 256 }, () => "a") }],
  ] satisfies [string, Partial<Message>][])("are refused with %s where a field does not fit: %j", (code, field) => {
    expect(() => encodeEnvelope({ ...PLAIN, ...field })).toThrow(expect.objectContaining({ code }));
  });

  it("step over fields that a later writer added at the header's end, and flags it does not know", () => {
    const bytes = encodeEnvelope({ ...PLAIN, except: ["alpha.aaaa01"] });
    const headerBytes = headerBytesOf(bytes);
    const later = new Uint8Array(bytes.length + 4);
    later.set(bytes.subarray(0, headerBytes));
    later.set([1, 2, 3, 255], headerBytes);
    later.set(bytes.subarray(headerBytes), headerBytes + 4);
    later[3] = 0xfe;
    later[5] = headerBytes + 4;
    expect(decodeEnvelope(sign(later))).toEqual({
      ok: true,
      value: { version: ENVELOPE_VERSION, ...PLAIN, except: ["alpha.aaaa01"] },
    });
  });

  it("say that they are stamped in a flag, which those before it ignored", () => {
    const stamped: Message = { ...PLAIN, isStamped: true };
    const bytes = encodeEnvelope(stamped);
    expect(bytes[3]).toBe(1);
    expect(decodeEnvelope(bytes)).toEqual({ ok: true, value: { version: ENVELOPE_VERSION, ...stamped } });
    const plain = encodeEnvelope(PLAIN);
    expect(plain[3]).toBe(0);
    // Without the flag and with the check for that, the bytes are those of a message that is not stamped.
    bytes[3] = 0;
    expect(sign(bytes)).toEqual(plain);
  });

  it("of another version are distinguished from damaged ones", () => {
    const bytes = encodeEnvelope(PLAIN);
    for (const version of [0, 2, 255]) {
      bytes[1] = version;
      expect(decodeEnvelope(bytes)).toMatchObject({
        ok: false,
        error: { code: "envelope-version", details: { version } },
      });
    }
  });

  it("are damaged where they are cut anywhere in the header", () => {
    const bytes = encodeEnvelope({ ...PLAIN, except: ["alpha.aaaa01"] });
    for (let length = 0; length < headerBytesOf(bytes); length++) {
      expect(decodeEnvelope(bytes.subarray(0, length))).toMatchObject({
        ok: false,
        error: { code: "envelope-damaged" },
      });
    }
    // A payload that is cut off is not detected: the header does not contain the length of the payload.
    expect(decodeEnvelope(bytes.subarray(0, headerBytesOf(bytes)))).toMatchObject({ ok: true });
  });
});

describe("bus messages whose header was changed", () => {
  const flips = (bytes: Uint8Array, undetected: (byte: number, bit: number) => void): number => {
    const headerBits = headerBytesOf(bytes) * 8;
    for (let bit = 0; bit < headerBits; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      if (decodeEnvelope(flipped).ok) undetected(bit >> 3, bit & 7);
    }
    return headerBits;
  };

  it("are refused for every single bit, over messages of each kind and size", () => {
    const messages: Message[] = (["room", "connection", "user", "server", "control"] as const).flatMap((each) => [
      { ...PLAIN, kind: each },
      { ...PLAIN, kind: each, target: "日本語 👋", sequence: 2 ** 48 - 1, epoch: 2 ** 32 - 1 },
      { ...PLAIN, kind: each, except: ["alpha.aaaa01", "beta-2.zzzz8abc"], payload: new Uint8Array(0) },
    ]);
    const undetected: string[] = [];
    let tried = 0;
    messages.forEach((each, index) => {
      tried += flips(encodeEnvelope(each), (byte, bit) =>
        undetected.push(`message ${index}, byte ${byte}, bit ${bit}`),
      );
    });
    expect(tried).toBeGreaterThan(4000);
    expect(undetected).toEqual([]);
  });

  it("are refused for every single bit of any message, but for odds of 2^-16 if the header's length was hit", () => {
    const undetected: number[] = [];
    let tried = 0;
    fc.assert(
      fc.property(message, (each) => {
        tried += flips(encodeEnvelope(each), (byte) => undetected.push(byte));
      }),
      { numRuns: 300, seed: 20_260_101 },
    );
    expect(tried).toBeGreaterThan(100_000);
    const lengthBits = 300 * 16;
    expect(undetected.filter((byte) => byte !== 4 && byte !== 5)).toEqual([]);
    expect(undetected.length).toBeLessThanOrEqual(Math.ceil((4 * lengthBits) / 2 ** 16));
  });
});

describe("bytes that are no bus message, or not quite", () => {
  const total = (bytes: Uint8Array): boolean => {
    const result = decodeEnvelope(bytes);
    if (!result.ok) {
      return isCmError(result.error) && ["envelope-damaged", "envelope-version"].includes(result.error.code);
    }
    const { value } = result;
    expect(value.origin).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
    expect(value.target.length).toBeGreaterThan(0);
    expect(value.target.isWellFormed()).toBe(true);
    expect(Number.isSafeInteger(value.sequence) && Number.isSafeInteger(value.epoch)).toBe(true);
    return value.except.every((id) => typeof id === "string") && value.payload.length <= bytes.length;
  };
  const bytes = message.map(encodeEnvelope);
  const change = fc.record({ at: fc.nat(400), value: fc.nat(255) });

  it("are a message or a coded error: 30,000 random byte strings", () => {
    const anything = fc.uint8Array({ maxLength: 120 });
    const likely = anything.map((tail) => Uint8Array.of(0xc3, ENVELOPE_VERSION, ...tail));
    fc.assert(fc.property(fc.oneof(anything, likely), total), { numRuns: 30_000 });
  });

  it("are a message or a coded error: 20,000 messages cut short", () => {
    fc.assert(
      fc.property(bytes, fc.nat(600), (whole, length) => total(whole.subarray(0, length % (whole.length + 1)))),
      { numRuns: 20_000 },
    );
  });

  it("are a message or a coded error: 30,000 messages with some bytes changed", () => {
    fc.assert(
      fc.property(bytes, fc.array(change, { minLength: 1, maxLength: 6 }), (whole, changes) => {
        for (const { at, value } of changes) whole[at % whole.length] = value;
        return total(whole);
      }),
      { numRuns: 30_000 },
    );
  });

  it("are a message or a coded error: 30,000 messages with a changed header that passes the check", () => {
    const inHeader = fc.record({ at: fc.oneof(fc.integer({ min: 2, max: 21 }), fc.nat(400)), value: fc.nat(255) });
    fc.assert(
      fc.property(bytes, fc.array(inHeader, { minLength: 1, maxLength: 6 }), (whole, changes) => {
        for (const { at, value } of changes) whole[at % whole.length] = value;
        whole[0] = 0xc3;
        whole[1] = ENVELOPE_VERSION;
        return total(sign(whole));
      }),
      { numRuns: 30_000 },
    );
  });

  it("are a message or a coded error: 10,000 of other versions", () => {
    fc.assert(
      fc.property(bytes, fc.nat(255), (whole, version) => {
        whole[1] = version;
        return total(whole);
      }),
      { numRuns: 10_000 },
    );
  });

  it("have codes from the table of errors", () => {
    const result = decodeEnvelope(new Uint8Array(0));
    expect(result.ok ? undefined : result.error).toBeInstanceOf(CmError);
    expect(Object.keys(ERROR_CODES)).toEqual(expect.arrayContaining(["envelope-damaged", "envelope-version"]));
  });
});
