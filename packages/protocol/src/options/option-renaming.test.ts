import { expect, it } from "vitest";
import { CmError } from "../errors.js";
import { optionInvalid, renaming } from "./index.js";

const NAMES = { url: "redisUrl", prefix: "redisPrefix" };

/** Returns the error of a part with these names of options, as the caller gets it. */
function renamed(error: Error): unknown {
  try {
    renaming(NAMES, () => {
      throw error;
    });
  } catch (caught) {
    return caught;
  }
  return undefined;
}

it("names the option that the caller wrote, and keeps the other details", () => {
  expect(renamed(optionInvalid("prefix", "shorter", { max: 64 }))).toMatchObject({
    code: "options-invalid",
    message: "redisPrefix must be shorter.",
    details: { field: "redisPrefix", max: 64 },
  });
});

it("keeps a message that does not begin with the option's name", () => {
  const error = new CmError("options-invalid", "This is no Redis URL.", { details: { field: "url" } });
  expect(renamed(error)).toMatchObject({ message: "This is no Redis URL.", details: { field: "redisUrl" } });
});

it.each([
  optionInvalid("port", "a number"),
  optionInvalid("constructor", "omitted"),
  new CmError("id-invalid", "prefix must be an id."),
  new TypeError("prefix must be a string."),
])("passes on %o unchanged", (error) => {
  expect(renamed(error)).toBe(error);
});

it("returns what the part's factory returns", () => {
  expect(renaming(NAMES, () => "made")).toBe("made");
});
