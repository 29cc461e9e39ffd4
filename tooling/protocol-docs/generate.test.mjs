import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { replaceParts } from "./generated-parts.mjs";
import { toYaml } from "./yaml.mjs";

const script = fileURLToPath(new URL("generate.mjs", import.meta.url));
const docs = fileURLToPath(new URL("../../docs", import.meta.url));

function generate(...options) {
  return new Promise((resolve) => {
    execFile(process.execPath, [script, ...options], (error, _, stderr) => resolve({ code: error?.code ?? 0, stderr }));
  });
}

describe("the protocol documents", () => {
  let folder;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "cm-docs-"));
    for (const name of ["protocol.md", "asyncapi.yaml"]) await cp(join(docs, name), join(folder, name));
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  const change = async (name, from, to) => {
    const text = await readFile(join(folder, name), "utf8");
    const changed = text.replace(from, to);
    expect(changed).not.toBe(text);
    await writeFile(join(folder, name), changed);
  };

  it("are what the frames' descriptions say", async () => {
    expect(await generate("--check", folder)).toEqual({ code: 0, stderr: "" });
  });

  it.each([
    ["protocol.md", "| The connection need not be a member", "| Membership is needed"],
    ["asyncapi.yaml", "required: [type, room, data]", "required: [type, room]"],
    // The examples of the YAML file come from the page.
    ["protocol.md", '"version": 1, "ref": 0 }', '"version": 1, "ref": 4 }'],
  ])("fail the check when %s says something else, and are mended by writing them", async (name, from, to) => {
    await change(name, from, to);
    const { code, stderr } = await generate("--check", folder);
    expect([code, stderr]).toEqual([1, expect.stringContaining("npm run codegen")]);
    expect(await generate(folder)).toEqual({ code: 0, stderr: "" });
    expect(await generate("--check", folder)).toEqual({ code: 0, stderr: "" });
  });

  it("need a place for every frame", async () => {
    await change("protocol.md", /<!-- generated: client ping -->[\s\S]*?<!-- generated: end -->/, "");
    expect((await generate("--check", folder)).stderr).toContain("No place is marked for these parts: client ping");
  });
});

describe("replaceParts", () => {
  it("refuses a marker that names no part, and one that is there twice", () => {
    const text = "# generated: a\nold\n# generated: end\n";
    const write = (part) => `${part}\n`;
    expect(replaceParts(text, write, { a: "new" })).toBe("# generated: a\nnew\n# generated: end\n");
    expect(() => replaceParts(text, write, { b: "new" })).toThrow('"generated: a"');
    expect(() => replaceParts(text + text, write, { a: "new" })).toThrow('"generated: a"');
  });
});

describe("toYaml", () => {
  it("wraps a list that is longer than a line, as Biome does", () => {
    const words = Array.from({ length: 12 }, (_, at) => `wordnumber${at}`);
    const lines = words.map((word) => `      ${word},`).join("\n");
    expect(toYaml({ at: { words } })).toBe(`at:\n  words:\n    [\n${lines}\n    ]\n`);
  });

  it("quotes what YAML would read as something else", () => {
    const value = { word: "lobby", text: "two words.", no: "no", key: "a: b", hash: "a #b", list: ["a, b", 1, null] };
    expect(toYaml({ $ref: "#/x", at: [value] })).toBe(
      '$ref: "#/x"\nat:\n  - word: lobby\n    text: two words.\n    "no": "no"\n    key: "a: b"\n    hash: "a #b"\n    list: ["a, b", 1, null]\n',
    );
  });
});
