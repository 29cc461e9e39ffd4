import { parseSync, Visitor } from "oxc-parser";

/** One mutation of a source file: the text from `start` to `end` is replaced. */
export interface Mutation {
  /** UTF-16 offsets into the file's text. */
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
  /** Line number, starting at 1. */
  readonly line: number;
}

const OPPOSITES: Readonly<Record<string, string>> = {
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "===": "!==",
  "!==": "===",
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "%": "*",
  "&&": "||",
  "||": "&&",
  "+=": "-=",
  "-=": "+=",
  "++": "--",
  "--": "++",
};

interface Span {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

/**
 * All mutations of a file: operators are inverted, conditions replaced by constants, defaults and statements
 * removed, numbers increased by one. Read from the syntax tree, so that types, comments and strings are not
 * changed.
 */
export function mutationsOf(file: string, text: string): readonly Mutation[] {
  const { program, errors } = parseSync(file, text);
  const fault = errors.find((error) => error.severity === "Error");
  if (fault !== undefined) throw new Error(`${file} can't be parsed: ${fault.message}`);
  const found: Mutation[] = [];
  const breaks = [...text.matchAll(/\n/g)].map(({ index }) => index);
  const lineAt = (offset: number): number => breaks.filter((at) => at < offset).length + 1;
  const replace = (start: number, end: number, replacement: string): void => {
    found.push({ start, end, replacement, line: lineAt(start) });
  };
  const source = (node: Span): string => text.slice(node.start, node.end);
  /** Replaces the operator between two operands. */
  const turn = (left: Span, operator: string, right: Span): void => {
    const opposite = OPPOSITES[operator];
    if (opposite === undefined || (operator === "+" && (isText(left, source(left)) || isText(right, source(right)))))
      return;
    const start = text.indexOf(operator, left.end);
    if (start !== -1 && start < right.start) replace(start, start + operator.length, opposite);
  };
  const fixCondition = (test: Span): void => {
    replace(test.start, test.end, "true");
    replace(test.start, test.end, "false");
  };
  new Visitor({
    BinaryExpression: ({ left, operator, right }) => turn(left, operator, right),
    LogicalExpression: (node) => {
      if (node.operator === "??") replace(node.start, node.end, source(node.left));
      else turn(node.left, node.operator, node.right);
    },
    AssignmentExpression: ({ left, operator, right }) => turn(left, operator, right),
    UnaryExpression: (node) => {
      if (node.operator === "!") replace(node.start, node.start + 1, "");
    },
    UpdateExpression: (node) => {
      const start = node.prefix ? node.start : node.end - node.operator.length;
      replace(start, start + node.operator.length, OPPOSITES[node.operator] ?? node.operator);
    },
    IfStatement: ({ test }) => fixCondition(test),
    ConditionalExpression: ({ test }) => fixCondition(test),
    Literal: (node) => {
      if (typeof node.value === "boolean") replace(node.start, node.end, String(!node.value));
      if (typeof node.value === "number") replace(node.start, node.end, `${source(node)} + 1`);
    },
    ExpressionStatement: (node) => {
      if (!isDirective(node)) replace(node.start, node.end, ";");
    },
    ReturnStatement: (node) => {
      if (node.argument === null) replace(node.start, node.end, ";");
    },
  }).visit(program);
  const types = typeSpans(program);
  return found.filter(({ start }) => !types.some((span) => span.start <= start && start < span.end));
}

function typeSpans(program: ReturnType<typeof parseSync>["program"]): readonly Span[] {
  const spans: Span[] = [];
  const keep = (node: Span): void => {
    spans.push(node);
  };
  new Visitor({
    TSTypeAnnotation: keep,
    TSTypeAliasDeclaration: keep,
    TSInterfaceDeclaration: keep,
    TSTypeParameterInstantiation: keep,
  }).visit(program);
  return spans;
}

function isText({ type }: Span, source: string): boolean {
  return type === "TemplateLiteral" || (type === "Literal" && /^["']/.test(source));
}

/**
 * Whether the statement is a directive or a `super()` call. Removing `super()` is no useful mutation: no code
 * after it would run, so any test would detect that.
 */
function isDirective(node: { readonly expression: Span; readonly directive?: string | null }): boolean {
  const { expression } = node;
  const callee = "callee" in expression ? (expression.callee as Span) : undefined;
  return typeof node.directive === "string" || callee?.type === "Super";
}
