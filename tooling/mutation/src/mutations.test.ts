import { expect, it } from "vitest";
import { mutationsOf } from "./mutations.js";

/** The texts that result from each mutation, in order of position. */
function mutants(text: string): string[] {
  return [...mutationsOf("file.ts", text)]
    .sort((a, b) => a.start - b.start || a.replacement.localeCompare(b.replacement))
    .map(({ start, end, replacement }) => text.slice(0, start) + replacement + text.slice(end));
}

it.each([
  ["const a = b < c;", ["const a = b <= c;"]],
  ["const a = b && c;", ["const a = b || c;"]],
  ["const a = b ?? c;", ["const a = b;"]],
  ["const a = !b;", ["const a = b;"]],
  ["const a = 1_000;", ["const a = 1_000 + 1;"]],
  ["const a = true;", ["const a = false;"]],
  ["const a = b ? c : d;", ["const a = false ? c : d;", "const a = true ? c : d;"]],
  ["if (a) { b; }", ["if (false) { b; }", "if (true) { b; }", "if (a) { ; }"]],
  [
    "function f() { if (a) return; }",
    ["function f() { if (false) return; }", "function f() { if (true) return; }", "function f() { if (a) ; }"],
  ],
  ["a++;", [";", "a--;"]],
  ["a += b;", [";", "a -= b;"]],
  ["await a(b);", [";"]],
])("changes %j at every place", (text, expected) => {
  expect(mutants(text)).toEqual(expected);
});

it.each([
  ['const a = "<" + b;'],
  [["const a = `$", "{b}` + c;"].join("")],
  ["type A = 1 | true;"],
  ["interface A { readonly b: 5; c<T extends 1>(d: 2): 3 }"],
  ["// a < b && c"],
  ['"use strict";'],
  ["class A extends B { constructor() { super(); } }"],
])("leaves %j as it is", (text) => {
  expect(mutants(text)).toEqual([]);
});

it("says in which line a change is", () => {
  expect(mutationsOf("file.ts", "const a = b;\nconst c = !b;").map(({ line }) => line)).toEqual([2]);
});
