import { parseSync, Visitor } from "oxc-parser";

/** One reference to another module in a source file. */
export interface SourceImport {
  /** The module's name as written, or `undefined` if it is computed. */
  readonly specifier: string | undefined;
  /** Line number, starting at 1. */
  readonly line: number;
}

/** Thrown for a file that cannot be parsed: its imports are unknown, so the rule cannot be checked. */
export class UnreadableSource extends Error {}

/**
 * Every import of a TypeScript file, in any form: import and export declarations (also of types only),
 * import(), import types, require and import.meta.resolve. Read from the syntax tree, so that comments and
 * strings that look like imports are ignored. A name may be given by a constant of the same file; any other
 * expression is a computed name.
 */
export function sourceImports(file: string, text: string): readonly SourceImport[] {
  const { program, errors } = parseSync(file, text);
  const fault = errors.find((error) => error.severity === "Error");
  if (fault !== undefined) throw new UnreadableSource(`${file} can't be parsed: ${fault.message}`);

  const constants = new Map<unknown, string>();
  for (const statement of program.body) {
    if (statement.type !== "VariableDeclaration" || statement.kind !== "const") continue;
    for (const { id, init } of statement.declarations) {
      const value = init === null ? undefined : textOf(init);
      if (id.type === "Identifier" && value !== undefined) constants.set(id.name, value);
    }
  }

  const found: SourceImport[] = [];
  const add = (node: { readonly type: string; readonly start: number } | null | undefined): void => {
    if (node === null || node === undefined) return;
    const named = node.type === "Identifier" && "name" in node ? constants.get(node.name) : undefined;
    found.push({ specifier: textOf(node) ?? named, line: lineAt(text, node.start) });
  };
  new Visitor({
    ImportDeclaration: (node) => add(node.source),
    ExportNamedDeclaration: (node) => add(node.source),
    ExportAllDeclaration: (node) => add(node.source),
    ImportExpression: (node) => add(node.source),
    TSImportType: (node) => add(node.source),
    TSExternalModuleReference: (node) => add(node.expression),
    CallExpression: (node) => {
      if (namesModule(text.slice(node.callee.start, node.callee.end))) add(node.arguments[0]);
    },
  }).visit(program);
  return found;
}

/** The text of a string literal, `undefined` for any other node. */
function textOf(node: { readonly type: string }): string | undefined {
  return node.type === "Literal" && "value" in node && typeof node.value === "string" ? node.value : undefined;
}

function namesModule(callee: string): boolean {
  return callee === "require" || callee === "require.resolve" || callee === "import.meta.resolve";
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}
