import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const DOCUMENTS = {
  games: ["documented-games.fixture.ts", "documented-types.fixture.ts"],
  sockets: ["documented-sockets.fixture.ts"],
};

const read = (file: string): string => readFileSync(new URL(file, import.meta.url), "utf8");

/** The code without comments, white space and commas before a closing bracket, in which formatters differ. */
function withoutFormat(code: string): string {
  const plain = code.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
  return plain.replace(/\s+/g, "").replace(/,(?=[)\]}])/g, "");
}

/** The statements and declarations of a snippet, without its imports. */
function statementsOf(snippet: string): string[] {
  const code = withoutFormat(snippet.replace(/^import [^;]*;$/gm, ""));
  const statements: string[] = [];
  let [start, depth] = [0, 0];
  for (let at = 0; at < code.length; at++) {
    const character = code.charAt(at);
    if ("({[".includes(character)) depth++;
    if (")}]".includes(character)) depth--;
    const isBlockEnd = character === "}" && !/^(catch|else|finally|[;,.)])/.test(code.slice(at + 1));
    if (depth > 0 || !(character === ";" || isBlockEnd)) continue;
    statements.push(code.slice(start, at + 1).replace(/;$/, ""));
    start = at + 1;
  }
  expect(code.slice(start)).toBe("");
  return statements;
}

/** The snippets of a document, and the methods that its headings declare, as `[heading, statements]`. */
function documented(name: string): [string, string[]][] {
  const sections = read(`documented-${name}.md`).split(/^## /m).slice(1);
  return sections.map((section) => {
    const [heading = ""] = section.split("\n");
    const [, snippet = ""] = /^```ts\n(.*?)^```$/ms.exec(section) ?? [];
    const method = /^\w+\(.*\): Promise|^\w+\(.*\): void/.test(heading) ? [withoutFormat(heading)] : [];
    return [heading, [...method, ...statementsOf(snippet)]];
  });
}

describe.each(Object.entries(DOCUMENTS))("the document about %s", (name, files) => {
  const program = withoutFormat(files.map(read).join("\n"));

  it.each(documented(name))("has its code unchanged in a program that runs: %s", (_, statements) => {
    expect(statements.length).toBeGreaterThan(0);
    for (const statement of statements) expect(program).toContain(statement);
  });
});

it("a snippet is divided into its statements", () => {
  const snippet = `
import { a } from "./a";
try {
  await a(1); // Once.
} catch (error) {
  log({ error });
}
const b = {
  c: "d",
};
interface E { f: string }
`;
  expect(statementsOf(snippet)).toEqual([
    "try{awaita(1);}catch(error){log({error});}",
    'constb={c:"d"}',
    "interfaceE{f:string}",
  ]);
});
