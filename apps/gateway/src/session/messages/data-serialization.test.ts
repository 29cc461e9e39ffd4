import { expect, it } from "vitest";
import { writeData } from "./data-serialization.js";

it("data is measured as it is sent on: numbers that are written out count in full", () => {
  const data: unknown = JSON.parse(`[${Array.from({ length: 100 }, () => "1e20").join(",")}]`);
  expect(JSON.stringify(data)).toHaveLength(2_201);
  expect(writeData(data, 2_201)).toHaveLength(2_201);
  expect(() => writeData(data, 2_200)).toThrow(expect.objectContaining({ code: "payload-too-large" }));
  expect(writeData("é".repeat(10), 22)).toBe(`"${"é".repeat(10)}"`);
  expect(() => writeData("é".repeat(10), 21)).toThrow(expect.objectContaining({ code: "payload-too-large" }));
});
