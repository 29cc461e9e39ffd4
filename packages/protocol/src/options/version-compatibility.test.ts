import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { VERSION } from "../version.js";
import { requireOptions } from "./option-checks.js";
import { OLDEST_NODE, requireFittingRuntime, requireFittingVersion, stampVersion } from "./version-compatibility.js";

const MADE_BY = Symbol.for("@cm/protocol.version");

it.each([
  ["0.2.0", "0.1.3"],
  ["0.1.0", "1.0.0"],
  ["2.0.0", "1.4.0"],
])("a part made by version %s is refused by %s, with what to do", (version, wanted) => {
  expect(() => requireFittingVersion("store", { [MADE_BY]: version }, wanted)).toThrow(
    expect.objectContaining({
      code: "version-mismatch",
      retryable: false,
      message: expect.stringContaining("Install the same version of every @cm package"),
      details: { field: "store", version, wanted },
    }),
  );
});

it.each([
  ["0.1.0", "0.1.3"],
  ["0.1.1-next.0", "0.1.0"],
  ["1.0.0", "1.4.2"],
])("a part made by version %s fits %s", (version, wanted) => {
  expect(() => requireFittingVersion("store", { [MADE_BY]: version }, wanted)).not.toThrow();
});

it("a part without a mark fits: it is the application's own", () => {
  for (const own of [{}, undefined, null, 1]) expect(() => requireFittingVersion("store", own)).not.toThrow();
});

it("a store and its parts are marked, without a change to their enumerable properties", () => {
  const store = stampVersion({ users: {}, partitions: 16 });
  expect([store, store.users].map((each) => Reflect.get(each, MADE_BY))).toEqual([VERSION, VERSION]);
  expect(JSON.stringify(store)).toBe('{"users":{},"partitions":16}');
  expect(Object.keys(store)).toEqual(["users", "partitions"]);
});

it("every factory refuses a part of another version among its options", () => {
  const options = { bus: { [MADE_BY]: "99.0.0" } };
  expect(() => requireOptions(options, { bus: true })).toThrow(
    expect.objectContaining({
      code: "version-mismatch",
      details: { field: "bus", version: "99.0.0", wanted: VERSION },
    }),
  );
});

it.each(["18.20.8", "20.18.3", "20.9.0", "8.0.0"])("Node.js %s is refused, with the oldest that will do", (version) => {
  expect(() => requireFittingRuntime(version)).toThrow(
    expect.objectContaining({
      code: "runtime-unsupported",
      message: `Node.js ${version} is too old: install ${OLDEST_NODE} or newer.`,
      details: { version, wanted: OLDEST_NODE },
    }),
  );
});

it.each(["20.19.0", "20.20.2", "22.0.0", "26.1.0-nightly2026", undefined])("Node.js %s will do", (version) => {
  expect(() => requireFittingRuntime(version)).not.toThrow();
});

it("the oldest Node.js is the one of the manifest", async () => {
  const manifest = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8"));
  expect(manifest.engines.node).toBe(`>=${OLDEST_NODE}`);
});
