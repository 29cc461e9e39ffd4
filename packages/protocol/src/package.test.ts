import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import * as protocol from "./index.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const src = join(root, "src");

const sources = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts"))
  .map((path) => ({ path, text: readFileSync(join(src, path), "utf8") }));

/** The sources that must also run in browsers: all but those of `@cm/protocol/turns`. */
const portable = sources.filter(({ path }) => !path.startsWith("turns"));

/** Returns the text of a source file without its comments. No string in the protocol looks like a comment. */
const codeOf = (text: string) => text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(^|\s)\/\/.*$/gm, "");

describe("the package", () => {
  it("depends on nothing", () => {
    const manifest: unknown = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    expect(manifest).toMatchObject({ name: "@cm/protocol", type: "module", sideEffects: false });
    for (const field of ["dependencies", "peerDependencies", "optionalDependencies", "bundledDependencies"]) {
      expect(manifest).not.toHaveProperty(field);
    }
  });

  it("imports only its own files", () => {
    expect(sources.length).toBeGreaterThan(15);
    for (const { path, text } of sources) {
      const specifiers = [...codeOf(text).matchAll(/\b(?:from|import)\s*\(?\s*["'`]([^"'`]+)["'`]/g)].map(
        ([, name]) => name,
      );
      expect({ path, foreign: specifiers.filter((name) => !/^\.\.?\/[\w./-]+\.js$/.test(name ?? "")) }).toEqual({
        path,
        foreign: [],
      });
    }
  });

  it("uses nothing that only Node has", () => {
    const node = /\b(?:Buffer|process|require|global|__dirname|__filename|setImmediate|clearImmediate)\b(?=[.([])/;
    for (const { path, text } of portable) expect([path, node.exec(codeOf(text))]).toEqual([path, null]);
  });

  it("imports its entry for Node.js nowhere", () => {
    expect(sources.length).toBeGreaterThan(portable.length);
    for (const { path, text } of portable) expect([path, /\bfrom "[^"]*\bturns\//.exec(text)]).toEqual([path, null]);
  });

  it("gives away no value that is undefined", () => {
    for (const [name, value] of Object.entries(protocol)) expect([name, typeof value]).not.toEqual([name, "undefined"]);
    expect(Object.keys(protocol)).toContain("decodeEnvelope");
  });
});
