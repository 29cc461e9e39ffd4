import { CLIENT_FRAMES, type Fields, isCmError, type ReadableKind } from "@cm/protocol";
import { describe, expect, it } from "vitest";
import { frameText, validValue } from "./frame-draws.js";
import { SeededRandom } from "./random-values.js";

describe("the frames of the fuzz", () => {
  it("have a valid value for every described field, of the kinds that the server reads", () => {
    for (const { type, fields } of CLIENT_FRAMES) {
      for (const [name, { kind }] of Object.entries(fields as Fields<ReadableKind<unknown>>)) {
        const read = kind.read(validValue(kind, new SeededRandom(1)));
        expect(read === undefined || isCmError(read) ? `${type}.${name} can't be read` : undefined).toBeUndefined();
      }
    }
  });

  it("give every described field of every frame both valid and odd values", () => {
    const random = new SeededRandom(7);
    const missing = new Set(
      CLIENT_FRAMES.flatMap(({ wireType, fields }) =>
        Object.keys(fields).flatMap((name) => [`${wireType}.${name} valid`, `${wireType}.${name} odd`]),
      ),
    );
    const kinds = new Map(
      CLIENT_FRAMES.flatMap(({ wireType, fields }) =>
        Object.entries(fields as Fields<ReadableKind<unknown>>).map(([name, { kind }]) => [
          `${wireType}.${name}`,
          kind,
        ]),
      ),
    );
    const isValid = (key: string, value: unknown): boolean => {
      const read = kinds.get(key)?.read(value);
      return read !== undefined && !isCmError(read);
    };
    for (let drawn = 0; drawn < 20_000 && missing.size > 0; drawn++) {
      const frame = objectIn(frameText(random));
      if (typeof frame.type !== "string") continue;
      for (const [name, value] of Object.entries(frame)) {
        const key = `${frame.type}.${name}`;
        missing.delete(`${key} ${isValid(key, value) ? "valid" : "odd"}`);
      }
    }
    // Every value is valid as data.
    for (const key of [...missing]) if (key.endsWith(".data odd")) missing.delete(key);
    expect([...missing]).toEqual([]);
  });
});

/** The object that a text holds as JSON; an empty one if it holds none. */
function objectIn(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}
