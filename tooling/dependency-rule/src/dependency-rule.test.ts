import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { checkWorkspace } from "./dependency-rule.js";
import { UnreadableSource } from "./source-imports.js";
import { readWorkspace } from "./workspace-package.js";

const made: string[] = [];

afterEach(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** Writes a workspace to disk, given as paths and contents; a package.json may be given as an object. */
function workspace(files: Readonly<Record<string, string | object>>): string {
  const root = mkdtempSync(join(tmpdir(), "dependency rule "));
  made.push(root);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), typeof content === "string" ? content : JSON.stringify(content));
  }
  return root;
}

function violations(files: Readonly<Record<string, string | object>>): readonly string[] {
  return checkWorkspace(readWorkspace(workspace(files))).map(({ where, message }) => `${where} ${message}`);
}

const protocol = {
  "packages/protocol/package.json": { name: "@cm/protocol" },
  "packages/protocol/src/index.ts": "export const one = 1;",
};
const store = {
  "packages/memory-store/package.json": { name: "@cm/memory-store", dependencies: { "@cm/protocol": "workspace:^" } },
  "packages/memory-store/src/index.ts": 'export { one } from "@cm/protocol";',
};
const routerManifest = {
  "packages/router/package.json": { name: "@cm/router", dependencies: { "@cm/protocol": "workspace:^" } },
};

describe("a workspace that keeps the rule", () => {
  it("has no violation", () => {
    expect(violations({ ...protocol, ...store })).toEqual([]);
  });

  it("is this one, and its files were really read", () => {
    const packages = readWorkspace(fileURLToPath(new URL("../../../", import.meta.url)));
    const protocolFiles = packages.find(({ name }) => name === "@cm/protocol")?.files ?? [];
    expect(protocolFiles.flatMap(({ imports }) => imports).length).toBeGreaterThan(10);
    expect(checkWorkspace(packages)).toEqual([]);
  });

  it("may import anything in tests, and may name anything in comments and strings", () => {
    expect(
      violations({
        ...protocol,
        "packages/protocol/src/a.test.ts": 'import "node:fs"; import "./a.fixture.js";',
        "packages/protocol/src/a.fixture.ts": 'import "node:fs";',
        "packages/protocol/src/b.ts": '// import "node:fs";\nexport const text = \'import "node:fs"\';',
      }),
    ).toEqual([]);
  });

  it("may compose everything in an app", () => {
    expect(
      violations({
        ...protocol,
        ...store,
        "apps/gateway/package.json": { name: "@cm/gateway", private: true, dependencies: { "@cm/memory-store": "*" } },
        "apps/gateway/src/main.ts": 'import "@cm/memory-store"; import "ioredis"; import "uWebSockets.js";',
      }),
    ).toEqual([]);
  });
});

describe("an arrow that points the wrong way", () => {
  it.each([
    ["a declaration", 'import { one } from "@cm/memory-store";'],
    ["a type alone", 'import type { One } from "@cm/memory-store";'],
    ["an export", 'export { one } from "@cm/memory-store";'],
    ["an export of all", 'export * from "@cm/memory-store";'],
    ["import()", 'export const one = import("@cm/memory-store");'],
    ["an import type", 'export type One = import("@cm/memory-store").One;'],
    ["require", 'export const one = require("@cm/memory-store");'],
    ["a constant", 'const STORE = "@cm/memory-store"; export const one = import(STORE);'],
    ["a deep path", 'import "@cm/memory-store/dist/room.js";'],
    ["a file below", 'import "@cm/memory-store";', "deep/below.ts"],
  ])("is seen in %s", (_way, source, file = "index.ts") => {
    const found = violations({ ...protocol, ...store, ...routerManifest, [`packages/router/src/${file}`]: source });
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(`packages/router/src/${file}:1 @cm/router may not depend on @cm/memory-store`);
  });

  it("is seen in package.json, also when nothing imports it", () => {
    expect(
      violations({
        ...protocol,
        ...store,
        "packages/router/package.json": { name: "@cm/router", peerDependencies: { "@cm/memory-store": "*" } },
        "packages/router/src/index.ts": "export {};",
      }),
    ).toEqual(["packages/router/package.json @cm/router may not depend on @cm/memory-store; it may on @cm/protocol"]);
  });

  it("is seen when a path goes around the package's name", () => {
    expect(
      violations({
        ...protocol,
        ...routerManifest,
        "packages/router/src/index.ts": 'import "../../protocol/src/index.js";',
      }),
    ).toEqual([
      "packages/router/src/index.ts:1 ../../protocol/src/index.js reaches out of @cm/router; import a package by its name",
    ]);
  });
});

describe("what only some may import", () => {
  it("is nothing for the protocol, not even a module of Node", () => {
    expect(
      violations({ ...protocol, "packages/protocol/src/a.ts": 'import { randomInt } from "node:crypto";' }),
    ).toEqual(["packages/protocol/src/a.ts:1 @cm/protocol depends on nothing, and so not on node:crypto"]);
  });

  it.each(["ioredis", "uWebSockets.js"])("is %s for the router", (external) => {
    const manifest = {
      name: "@cm/router",
      dependencies: { "@cm/protocol": "*" },
      peerDependencies: { [external]: "*" },
    };
    const found = violations({
      ...protocol,
      "packages/router/package.json": manifest,
      "packages/router/src/index.ts": `\nimport type { One } from "${external}";`,
    });
    expect(found.map((line) => line.split(";")[0])).toEqual([
      `packages/router/package.json ${external} is not for @cm/router`,
      `packages/router/src/index.ts:2 ${external} is not for @cm/router`,
    ]);
  });

  it("is what the package declares for its users", () => {
    expect(violations({ ...protocol, ...routerManifest, "packages/router/src/index.ts": 'import "pino";' })).toEqual([
      "packages/router/src/index.ts:1 @cm/router imports pino, but whoever installs it does not get it: it is neither a dependency nor a peer",
    ]);
  });

  it("is no fixture of the tests", () => {
    expect(violations({ ...protocol, "packages/protocol/src/a.ts": 'import "./b.fixture.js";' })).toEqual([
      "packages/protocol/src/a.ts:1 ./b.fixture.js is for tests alone",
    ]);
  });

  it("is the entry of the protocol for Node, which only its own files import", () => {
    expect(
      violations({
        ...protocol,
        "packages/protocol/src/a.ts": 'export { atTurnEnd } from "./turns/index.js";',
        "packages/protocol/src/turns/index.ts": 'export { atTurnEnd } from "./turn-end.js";',
        "packages/protocol/src/turns/turn-end.ts": "export const atTurnEnd = 1;",
      }),
    ).toEqual([
      "packages/protocol/src/a.ts:1 packages/protocol/src/turns is an entry of its own, which only its own files may import",
    ]);
  });

  it("is a name that can be read", () => {
    expect(
      violations({
        ...protocol,
        ...routerManifest,
        "packages/router/src/index.ts": "export const load = (name: string) => import(name);",
      }),
    ).toEqual(["packages/router/src/index.ts:1 imports a computed name, which no rule can follow"]);
  });
});

describe("a circle", () => {
  it("is seen between files, types alone included", () => {
    expect(
      violations({
        ...protocol,
        "packages/protocol/src/a.ts": 'import type { B } from "./b.js";\nexport type A = B;',
        "packages/protocol/src/b.ts": 'export { type C } from "./deep/c.js";\nexport type B = 1;',
        "packages/protocol/src/deep/c.ts": 'import type { A } from "../a.js";\nexport type C = A;',
      }),
    ).toEqual([
      "packages/protocol/src/a.ts files import each other in a circle: packages/protocol/src/a.ts -> packages/protocol/src/b.ts -> packages/protocol/src/deep/c.ts -> packages/protocol/src/a.ts",
    ]);
  });

  it("is seen between packages that may import anything", () => {
    expect(
      violations({
        "tooling/one/package.json": { name: "@cm/one", private: true, dependencies: { "@cm/two": "*" } },
        "tooling/two/package.json": { name: "@cm/two", private: true },
        "tooling/two/src/index.ts": 'import "@cm/one";',
      }),
    ).toEqual(["packages packages depend on each other in a circle: @cm/one -> @cm/two -> @cm/one"]);
  });
});

describe("a package that the rule can't judge", () => {
  it("fails when it has no place in the table", () => {
    expect(
      violations({ "packages/new/package.json": { name: "@cm/new" }, "packages/new/src/index.ts": "export {};" }),
    ).toEqual(["packages/new/package.json @cm/new has no place in allowed-arrows.ts; say there what it may import"]);
  });

  it("fails when no source of it was found", () => {
    expect(violations({ "packages/protocol/package.json": { name: "@cm/protocol" } })).toEqual([
      "packages/protocol/package.json no source file of @cm/protocol was found",
    ]);
  });

  it("fails when a file can't be parsed", () => {
    const root = workspace({ ...protocol, "packages/protocol/src/broken.ts": "export const = ;" });
    expect(() => readWorkspace(root)).toThrow(UnreadableSource);
  });
});
