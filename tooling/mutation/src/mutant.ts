import type { Mutation } from "./mutations.js";

/** A file with one mutation, as passed to the test run. */
export interface Mutant {
  /** Path relative to the root of the repository. */
  readonly file: string;
  readonly mutation: Mutation;
}

/** The environment variable with the {@link Mutant} of a test run, as JSON. */
export const MUTANT_VARIABLE = "CM_MUTANT";

/** The environment variable with the folder name of the package whose tests run. */
export const PACKAGE_VARIABLE = "CM_MUTANT_PACKAGE";

/** Applies the mutation to the text. */
export function applied(text: string, { start, end, replacement }: Mutation): string {
  return text.slice(0, start) + replacement + text.slice(end);
}

/** The changed lines before and after the mutation, for the report. */
export function describe(text: string, { file, mutation }: Mutant): string {
  const { start, end, line } = mutation;
  const from = text.lastIndexOf("\n", start - 1) + 1;
  const stop = text.indexOf("\n", end);
  const until = stop === -1 ? text.length : stop;
  const before = text.slice(from, until);
  const after = applied(text, mutation).slice(from, until + mutation.replacement.length - (end - start));
  return `${file}:${line}\n${indented("- ", before)}\n${indented("+ ", after)}`;
}

function indented(sign: string, text: string): string {
  return text
    .split("\n")
    .map((line) => `    ${sign}${line.trim()}`)
    .join("\n");
}
