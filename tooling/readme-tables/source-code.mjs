import { parseSync, Visitor } from "oxc-parser";

function parse(source) {
  const { program, comments, errors } = parseSync("source.ts", source);
  const fault = errors.find(({ severity }) => severity === "Error");
  if (fault !== undefined) throw new Error(`The source can't be parsed: ${fault.message}`);
  return { program, comments };
}

/**
 * The own members of a source's interfaces in their order, or of the interface `name` alone, as
 * `{ field, required, type, comment }`. `type` is `undefined` for a method, `comment` if there is no doc comment.
 * Throws if there is no such interface.
 */
export function membersOf(source, name) {
  const { program, comments } = parse(source);
  const interfaces = [];
  new Visitor({
    TSInterfaceDeclaration: (node) => {
      if (name === undefined || node.id.name === name) interfaces.push(node);
    },
  }).visit(program);
  if (name !== undefined && interfaces.length === 0) throw new Error(`There is no interface ${name}.`);
  const docs = comments.filter(({ type, value }) => type === "Block" && value.startsWith("*"));
  return interfaces
    .flatMap(({ body }) => body.body)
    .filter(({ type, key }) => /^TS(Property|Method)Signature$/.test(type) && key.type === "Identifier")
    .map((member) => {
      const { start, key, optional } = member;
      const typeNode = member.type === "TSPropertySignature" ? member.typeAnnotation?.typeAnnotation : undefined;
      const doc = docs.find(({ end }) => end <= start && source.slice(end, start).trim() === "");
      return {
        field: key.name,
        required: !optional,
        type: typeNode && source.slice(typeNode.start, typeNode.end),
        comment: doc?.value.slice(1),
      };
    });
}

/** The calls and `new` expressions of a source by name: `{ name, args }`, with the values of the literal arguments. */
export function callsOf(source) {
  const calls = [];
  const add = ({ callee, arguments: args }) => {
    if (callee.type !== "Identifier") return;
    calls.push({ name: callee.name, args: args.map(({ type, value }) => (type === "Literal" ? value : undefined)) });
  };
  new Visitor({ CallExpression: add, NewExpression: add }).visit(parse(source).program);
  return calls;
}

/** The names that a source imports from a module, as the module exports them. */
export function importedFrom(source, module) {
  return parse(source).program.body.flatMap((statement) =>
    statement.type === "ImportDeclaration" && statement.source.value === module
      ? statement.specifiers.flatMap(({ imported }) => imported?.name ?? [])
      : [],
  );
}

/** The texts of the functions that a source exports, by name. */
export function functionsOf(source) {
  const functions = new Map();
  for (const { type, declaration } of parse(source).program.body) {
    if (type !== "ExportNamedDeclaration" || declaration?.type !== "FunctionDeclaration") continue;
    functions.set(declaration.id.name, source.slice(declaration.start, declaration.end));
  }
  return functions;
}
