import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  CONNECTION_ID_MAX_LENGTH,
  type ConnectionIdSourceOptions,
  createConnectionIdSource,
  holderName,
  isHolder,
  isServerId,
  ownerOf,
  PARTITION_BITS_MAX,
  parseConnectionId,
  randomBase36,
  readHolder,
  requireConnectionId,
  requireServerId,
} from "./server-and-connection-ids.js";

const serverId = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
const incarnation = fc.stringMatching(/^[a-z0-9]{4}$/);

describe("names of holders", () => {
  it("are read as the incarnation that they were made of", () => {
    fc.assert(
      fc.property(serverId, incarnation, (id, inc) => {
        const name = holderName({ serverId: id, incarnation: inc });
        expect(isHolder(name)).toBe(true);
        expect(readHolder(name)).toEqual({ serverId: id, incarnation: inc });
        expect(createConnectionIdSource({ serverId: id, incarnation: inc }).next().startsWith(name)).toBe(true);
      }),
    );
  });

  it.each(["", ".", "s.", ".aaaa", "s.aaa", "s.aaaaa", "s.AAAA", "s.s.aaaa", "s.aaaa\n"])("are not %j", (text) => {
    expect(isHolder(text)).toBe(false);
  });
});

describe("server ids", () => {
  it("are 1 to 64 characters of A-Z a-z 0-9 _ -", () => {
    fc.assert(fc.property(serverId, (id) => isServerId(id) && requireServerId(id) === id));
    for (const id of ["a", "-", "_", "0", "x".repeat(64)]) expect(isServerId(id)).toBe(true);
  });

  it.each(["", "x".repeat(65), "a.b", "a:b", "{a}", "a b", "a\n", "\na", "é", "a\u0000", undefined, null, 7, ["a"]])(
    "are not %j",
    (id) => {
      expect(isServerId(id)).toBe(false);
      expect(() => requireServerId(id)).toThrow(expect.objectContaining({ code: "id-invalid" }));
    },
  );
});

describe("connection ids", () => {
  it("name their owner, and the record partition of their record", () => {
    const skip = fc.integer({ min: 0, max: 2000 });
    fc.assert(
      fc.property(serverId, incarnation, fc.integer({ min: 1, max: 5_000_000 }), skip, (id, inc, capacity, skipped) => {
        const source = createConnectionIdSource({ serverId: id, incarnation: inc, capacity });
        for (let i = 0; i < skipped; i++) source.next();
        const connectionId = source.next();
        const { partitionBits } = source;
        const { counter, ...parts } = requireConnectionId(connectionId);
        expect(parts).toEqual({
          serverId: id,
          incarnation: inc,
          partitionBits,
          recordPartition: skipped % 2 ** partitionBits,
        });
        expect(counter % 2 ** 24).toBe(skipped);
        expect(ownerOf(connectionId)).toBe(id);
        expect(connectionId.length).toBeLessThanOrEqual(CONNECTION_ID_MAX_LENGTH);
      }),
      { numRuns: 300 },
    );
  });

  it("never repeat, from one source or from two of the same server", () => {
    const sources = ["aaaa", "aaab"].map((text) => createConnectionIdSource({ serverId: "s", incarnation: text }));
    const ids = sources.flatMap((source) => Array.from({ length: 50_000 }, () => source.next()));
    expect(new Set(ids).size).toBe(100_000);
  });

  it("can't be counted up: 29 bits of each are random", () => {
    const source = createConnectionIdSource({ serverId: "s" });
    const draws = Array.from({ length: 10_000 }, () =>
      Math.floor(requireConnectionId(source.next()).counter / 2 ** 24),
    );
    // In 10,000 draws from 2^29 values, more than 6 duplicates occur less than once in 10^9 runs.
    expect(new Set(draws).size).toBeGreaterThan(9_993);
    for (let bit = 0; bit < 29; bit++) {
      const set = draws.filter((draw) => Math.floor(draw / 2 ** bit) % 2 === 1).length;
      // Half of the draws have the bit set, within ten standard deviations of 50.
      expect(Math.abs(set - 5_000)).toBeLessThan(500);
    }
  });

  it("spread evenly: no record partition holds more than 64 records at the capacity that was named", () => {
    for (const capacity of [1, 64, 65, 1000, 10_000, 100_000]) {
      const source = createConnectionIdSource({ serverId: "s", capacity });
      const recordPartitions = new Map<number, number>();
      for (let i = 0; i < capacity; i++) {
        const { recordPartition } = requireConnectionId(source.next());
        recordPartitions.set(recordPartition, (recordPartitions.get(recordPartition) ?? 0) + 1);
      }
      expect(Math.max(...recordPartitions.values())).toBeLessThanOrEqual(64);
      expect(recordPartitions.size).toBeLessThanOrEqual(2 ** source.partitionBits);
    }
    expect(createConnectionIdSource({ serverId: "s", capacity: Number.MAX_SAFE_INTEGER }).partitionBits).toBe(
      PARTITION_BITS_MAX,
    );
  });

  it("have one spelling each: what parses is what its parts spell", () => {
    const alphabet = fc.constantFrom(..."abgz01289.-_AZ:{} \n");
    const near = fc
      .tuple(serverId, fc.array(alphabet, { maxLength: 20 }))
      .map(([id, rest]) => `${id}.${rest.join("")}`);
    const wellMade = fc.stringMatching(/^[a-z]{1,3}\.[a-z0-9]{4}[a-g0-9][a-z0-9]{1,12}$/);
    fc.assert(
      fc.property(fc.oneof(near, wellMade, fc.string({ unit: "binary" })), (text) => {
        const result = parseConnectionId(text);
        if (!result.ok) return result.error.code === "id-invalid";
        const { serverId: id, incarnation: inc, partitionBits, counter, recordPartition } = result.value;
        expect(`${id}.${inc}${partitionBits.toString(36)}${counter.toString(36)}`).toBe(text);
        expect(recordPartition).toBe(counter % 2 ** partitionBits);
        return partitionBits <= PARTITION_BITS_MAX && Number.isSafeInteger(counter);
      }),
      { numRuns: 20_000 },
    );
  });

  it.each([
    "s.aaaa000",
    "s.aaaa001",
    "s.aaaa0",
    "s.aaaah1",
    "s.aaaaA1",
    "s.AAAA01",
    "s.aaa01",
    ".aaaa01",
    "s.aaaa01\n",
    "s.aaaa01 ",
    "s.aaaa0zzzzzzzzzzz",
    "s.aaaa0111111111111",
    "s.s.aaaa01",
    "é.aaaa01",
    "",
    "__proto__",
    undefined,
    null,
    5,
    {},
    ["s.aaaa01"],
  ])("are not %j", (value) => {
    expect(parseConnectionId(value)).toMatchObject({ ok: false, error: { code: "id-invalid" } });
    expect(() => requireConnectionId(value)).toThrow(expect.objectContaining({ code: "id-invalid" }));
    if (typeof value === "string") expect(ownerOf(value)).toBeUndefined();
  });

  it("reach up to the largest counter that a number holds exactly", () => {
    const largest = Number.MAX_SAFE_INTEGER.toString(36);
    expect(parseConnectionId(`s.aaaag${largest}`)).toMatchObject({
      ok: true,
      value: { counter: Number.MAX_SAFE_INTEGER, recordPartition: 65_535, partitionBits: 16 },
    });
    expect(`${"x".repeat(64)}.aaaag${largest}`).toHaveLength(CONNECTION_ID_MAX_LENGTH);
  });

  it("come from a source only if its options make sense", () => {
    const refused: readonly [options: unknown, code: string, field: string][] = [
      [{ serverId: "a.b" }, "id-invalid", "serverId"],
      [{ serverId: "" }, "id-invalid", "serverId"],
      [{}, "id-invalid", "serverId"],
      [{ serverId: "s", incarnation: "ABCD" }, "id-invalid", "incarnation"],
      [{ serverId: "s", incarnation: "abc" }, "id-invalid", "incarnation"],
      [{ serverId: "s", incarnation: "abcd\n" }, "id-invalid", "incarnation"],
      [{ serverId: "s", incarnation: Symbol("abcd") }, "id-invalid", "incarnation"],
      [{ serverId: "s", incarnation: true }, "id-invalid", "incarnation"],
      [{ serverId: "s", capacity: 0 }, "options-invalid", "capacity"],
      [{ serverId: "s", capacity: 1.5 }, "options-invalid", "capacity"],
      [{ serverId: "s", capacity: Number.NaN }, "options-invalid", "capacity"],
      [{ serverId: "s", capacity: Number.POSITIVE_INFINITY }, "options-invalid", "capacity"],
      [{ serverId: "s", capacty: 100 }, "options-invalid", "capacty"],
      [undefined, "options-invalid", "options"],
    ];
    for (const [options, code, field] of refused) {
      // As a program without types may pass them.
      expect(() => createConnectionIdSource(options as ConnectionIdSourceOptions)).toThrow(
        expect.objectContaining({ code, details: expect.objectContaining({ field }) }),
      );
    }
  });
});

describe("random base-36 text", () => {
  it("has the length asked for, of a-z and 0-9, each about as often", () => {
    const counts = new Map<string, number>();
    for (const character of randomBase36(36_000)) counts.set(character, (counts.get(character) ?? 0) + 1);
    expect([...counts.keys()].sort().join("")).toBe("0123456789abcdefghijklmnopqrstuvwxyz");
    // 1,000 of each character are expected, with a standard deviation of 31. A difference of more than ten
    // standard deviations is a fault.
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(310);
    expect(randomBase36(0)).toBe("");
    expect(randomBase36(16)).not.toBe(randomBase36(16));
  });
});
