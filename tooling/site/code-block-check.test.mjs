import { expect, it } from "vitest";
import { codeBlocks } from "./code-block-check.mjs";

it("the blocks of a page are those that it does not take from a file", () => {
  const page = [
    "# A page",
    "```sh",
    "npm start",
    "```",
    "<!-- generated: code examples/x.ts -->",
    "",
    "```ts",
    "taken();",
    "```",
    "",
    "<!-- generated: end -->",
    "```js",
    "own();",
    "```",
  ].join("\n");
  expect(codeBlocks(page)).toEqual([{ code: "own();\n", language: "js", line: 12 + 1 }]);
});
