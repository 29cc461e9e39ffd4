import { expect, it } from "vitest";
import { errorsOf, optionsOf, optionTable, partErrorTable, replaceGenerated, weightOf } from "./readme-tables.mjs";

const SOURCE = `
/** What a thing takes. */
export interface ThingOptions extends Other {
  /** Where it is kept; see {@link Store}. */
  readonly store: Store | undefined;
  /**
   * How long it waits, in milliseconds.
   * Default 5.
   */
  readonly waitMs?: number;
  readonly bus: Pick<Bus, "publish">;
  /** Hears of it. */
  onGap?(gap: Gap): void;
}
`;

it("a table of options has each field with its doc comment", () => {
  expect(optionsOf(SOURCE, "ThingOptions")).toEqual([
    { field: "store", required: true, meaning: "Where it is kept; see `Store`." },
    { field: "waitMs", required: false, meaning: "How long it waits, in milliseconds. Default 5." },
    { field: "bus", required: true, meaning: '`Pick<Bus, "publish">`' },
    { field: "onGap", required: false, meaning: "Hears of it." },
  ]);
  expect(optionTable(SOURCE, "ThingOptions")).toContain("| **`store`** | Where it is kept; see `Store`. |");
  expect(() => optionsOf(SOURCE, "Thing")).toThrow("There is no interface Thing.");
});

it("a table of errors has the codes that the sources throw", () => {
  const codes = { closed: 1, timeout: 2, unavailable: 3, "options-invalid": 4, "version-mismatch": 5 };
  const sources = ['throw new CmError("closed", "x");', 'toCmError(cause, "timeout", "x"); requireOptions(given, K)'];
  expect(errorsOf(sources, codes).map(([code]) => code)).toEqual([
    "closed",
    "timeout",
    "options-invalid",
    "version-mismatch",
  ]);
});

it("a table of the errors of parts has those that the package itself does not throw", () => {
  const entry = { retryable: true, meaning: "It is full." };
  const parts = [
    {
      name: "a",
      errors: [
        ["closed", entry],
        ["full", entry],
      ],
    },
    { name: "b", errors: [["full", entry]] },
  ];
  expect(
    partErrorTable([["closed", entry]], parts)
      .split("\n")
      .slice(2),
  ).toEqual(["| `full` | yes | It is full. | `a`, `b` |"]);
});

it("a README keeps the text outside of the markers", () => {
  const text = "a\n<!-- generated: options src/a.ts A -->\nold\n<!-- generated: end -->\nb\n";
  expect(replaceGenerated(text, (kind, args) => `${kind} ${args.join()}`)).toBe(
    "a\n<!-- generated: options src/a.ts A -->\n\noptions src/a.ts,A\n\n<!-- generated: end -->\nb\n",
  );
});

it("the weight names dependencies and peers", () => {
  const manifest = {
    dependencies: { "@cm/protocol": "*" },
    peerDependencies: { ws: "*", "@types/ws": "*" },
    peerDependenciesMeta: { "@types/ws": { optional: true } },
  };
  expect(weightOf(manifest, { maxPackedKiB: 35, maxInstalledMiB: 2 })).toBe(
    "The tarball has at most 35 KiB, and an installation by npm with all that it brings at most 2 MiB, both held by checks. It depends on `@cm/protocol`. Peers: `ws`. Optional peers: `@types/ws`.",
  );
});
