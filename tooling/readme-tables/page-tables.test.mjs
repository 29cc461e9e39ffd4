import { expect, it } from "vitest";
import { codeBlock, comparisonTable, decisionTable, keyTable, packageTable, variableTable } from "./page-tables.mjs";

const CONFIG = `
export interface Config {
  /** \`PORT\`: where clients connect; 0 picks one. Default 3000. */
  readonly port: number;
  /**
   * - \`HOST\`, \`NAME\`: who it is,
   *   a | b; see docs/a.md#x. Default: localhost, none.
   * - \`OPEN\`: \`true\`: everybody. Default \`false\`.
   *
   * Not of the table.
   */
  readonly host: string;
  /** \`CM_WORKER\`: set by the program. */
  readonly worker: string;
}
`;

it("a table of variables has each with its default, and fails if the code knows another one", () => {
  expect(variableTable(CONFIG, ["PORT", "HOST", "NAME", "OPEN"]).split("\n").slice(2)).toEqual([
    "| `PORT` | 3000 | Where clients connect; 0 picks one. |",
    "| `HOST`, `NAME` | localhost, none | Who it is, a \\| b; see [docs/a.md](a.md#x). |",
    "| `OPEN` | `false` | `true`: everybody. |",
  ]);
  expect(() => variableTable(CONFIG, ["PORT", "HOST", "NAME", "OPEN", "NEW"])).toThrow("differ: NEW.");
  expect(() => variableTable(CONFIG.replace(" Default 3000.", ""), ["PORT", "HOST", "NAME", "OPEN"])).toThrow("PORT");
});

it("a region of a file is shown without its marks and its indentation", () => {
  const source = "a();\n  // #region one\n  b();\n\n    c();\n  // #endregion\nd();\n";
  expect(codeBlock(source, "x/y.ts", "one")).toBe("```ts\nb();\n\n  c();\n```");
  expect(codeBlock(source, "x/y.ts")).toBe("```ts\na();\n  b();\n\n    c();\nd();\n```");
  expect(() => codeBlock(source, "x/y.ts", "two")).toThrow("x/y.ts has no region two.");
});

it("tables of packages and decisions link to them", () => {
  const packages = [{ dir: "packages/a", manifest: { name: "@x/a", description: "Does it." } }];
  expect(packageTable(packages, "docs/start/x.md")).toContain("| [`@x/a`](../../packages/a/README.md) | Does it. |");
  const records = [{ path: "docs/decisions/0001-a.md", text: "# 1. A thing\n\n2026-01-02\n" }];
  expect(decisionTable(records)).toContain("| 1 | [A thing](0001-a.md) | 2026-01-02 |");
});

const section = (name, run) => `## ${name}

From [x.md](x.md), a run of ${run}: a machine; 1.00 of the load.

![${name}: server CPU.](pictures/x.svg)

5 rooms of 20, 3000 messages a second of 200 bytes in all.

|  | minimum | socket.io |
| --- | --- | --- |
| server CPU a delivery, cm / | **1.04** (1.02 to 1.06) | **0.60** (0.5 to 0.7, 1 of 2 doubtful) |
| server CPU a delivery, cm-no-window / | **9** (9 to 9) | **9** (9 to 9) |
`;

it("the comparison has the ratios of the performance page and their run, and no other scenarios", () => {
  const run = "2026-01-02 on commit abc123";
  expect(
    comparisonTable(`# Performance\n\n${section("many-rooms", run)}\n${section("payload-sizes", run)}`),
  ).toBe(`| load | minimum | socket.io |
|---|---|---|
| many-rooms: 5 rooms of 20, 3000 messages a second of 200 bytes in all | 1.04 | 0.60 |

From a run of 2026-01-02 on commit abc123.`);
});

it("the comparison says which scenarios are from which run, and which of them were disturbed", () => {
  const doubtful = section("hot-rooms", "2026-01-03 on commit def456").replace(
    "![",
    "**Every turn of this section is doubtful: no more.**\n\n![",
  );
  const page = `# Performance\n\n${section("many-rooms", "2026-01-02 on commit abc123")}\n${doubtful}`;
  expect(comparisonTable(page).split("\n").at(-1)).toBe(
    "many-rooms: from a run of 2026-01-02 on commit abc123. " +
      "hot-rooms: from a run of 2026-01-03 on commit def456, in which other work disturbed every turn.",
  );
});

it("makes the table of keys of the store's own", () => {
  const entry = {
    name: "cm:{r.*}:rooms",
    type: "set",
    holds: "rooms | of a partition",
    writer: "owners",
    goes: "later",
  };
  expect(keyTable([entry])).toContain("| `cm:{r.*}:rooms` | set | rooms \\| of a partition | owners | later |");
});
