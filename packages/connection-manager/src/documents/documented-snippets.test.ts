import { readFileSync } from "node:fs";
import { parseSync } from "oxc-parser";
import { describe, expect, it } from "vitest";

const DOCUMENTS = {
  games: ["documented-games.fixture.ts", "documented-types.fixture.ts"],
  sockets: ["documented-sockets.fixture.ts"],
};

const read = (file: string): string => readFileSync(new URL(file, import.meta.url), "utf8");

/** A part of a syntax tree, or a value in it. */
type Tree = { readonly [key: string]: unknown };

/** Fields of nodes that tell where the code stands, not what it is. */
const OF_PLACE = new Set(["start", "end", "range", "parent"]);

function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null;
}

/** The syntax tree as text, without comments and format. */
function shapeOf(tree: unknown): string {
  return JSON.stringify(tree, (key, value: unknown) => {
    if (OF_PLACE.has(key)) return undefined;
    return typeof value === "bigint" ? String(value) : value;
  });
}

function parse(code: string): readonly Tree[] {
  const { program, errors } = parseSync("code.ts", code, { sourceType: "module" });
  expect(errors).toEqual([]);
  // Each node is an object whose fields are named; the parser's types list every kind of node.
  return program.body as unknown as readonly Tree[];
}

/** The shapes of all nodes of a program. */
function shapesIn(nodes: unknown, shapes = new Set<string>()): ReadonlySet<string> {
  if (!isTree(nodes)) return shapes;
  if ("type" in nodes) shapes.add(shapeOf(nodes));
  for (const part of Object.values(nodes)) shapesIn(part, shapes);
  return shapes;
}

/** The statements and declarations of a snippet, without its imports. The program may use the result of a call. */
function statementsOf(snippet: string): string[] {
  return parse(snippet)
    .filter(({ type }) => type !== "ImportDeclaration")
    .map((node) => shapeOf(node.type === "ExpressionStatement" ? node.expression : node));
}

/** The shape of a method's signature. */
function signatureOf(heading: string): string {
  const [declaration] = parse(`interface Documented { ${heading} }`);
  const body = declaration?.body;
  const members = isTree(body) ? body.body : undefined;
  return shapeOf(Array.isArray(members) ? members[0] : undefined);
}

/** The snippets of a document, and the methods that its headings declare, as `[heading, statements]`. */
function documented(name: string): [string, string[]][] {
  const sections = read(`documented-${name}.md`).split(/^## /m).slice(1);
  return sections.map((section) => {
    const [heading = ""] = section.split("\n");
    const [, snippet = ""] = /^```ts\n(.*?)^```$/ms.exec(section) ?? [];
    const method = /^\w+\(.*\): Promise|^\w+\(.*\): void/.test(heading) ? [signatureOf(heading)] : [];
    return [heading, [...method, ...statementsOf(snippet)]];
  });
}

describe.each(Object.entries(DOCUMENTS))("the document about %s", (name, files) => {
  const program = new Set(files.flatMap((file) => [...shapesIn(parse(read(file)))]));

  it.each(documented(name))("has its code unchanged in a program that runs: %s", (_, statements) => {
    expect(statements.length).toBeGreaterThan(0);
    for (const statement of statements) expect(program.has(statement), statement).toBe(true);
  });
});

it("a snippet is found in another format, and not if a value differs", () => {
  const snippet = `
import { a } from "./a";
try {
  await a(1); // Once.
} catch (error) {
  log({ error });
}
interface E { f: string }
`;
  const program = (value: number) =>
    shapesIn(
      parse(`async function run() { try { await a(${value}) } catch (error) { log({ error, }); } }
      export interface E {
        /** What it is. */
        f: string;
      }`),
    );
  expect(statementsOf(snippet).map((statement) => program(1).has(statement))).toEqual([true, true]);
  expect(statementsOf(snippet).map((statement) => program(2).has(statement))).toEqual([false, true]);
});
