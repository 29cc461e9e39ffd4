import { expect, it } from "vitest";
import { longestCommand } from "./slow-log.js";

it("names the longest command and counts the arguments that Redis left out", async () => {
  const many = ["EVALSHA", "0".repeat(40), ...Array.from({ length: 29 }, String), "... (470 more arguments)"];
  const log = [
    [3, 1_700_000_000, 900, ["HSET", "key", "field", "value"]],
    [2, 1_700_000_000, 6_660, many],
  ];
  expect(await longestCommand(log)).toEqual({ ms: 6.66, text: "EVALSHA with 500 arguments" });
  expect(await longestCommand([])).toBeUndefined();
});
