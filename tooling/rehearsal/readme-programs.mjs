/** The packages in a README's first `npm install` line; empty if there is none. */
export function installedBy(readme) {
  const [, line = ""] = /^npm install (.+)$/m.exec(readme) ?? [];
  return line.split(/\s+/).filter(Boolean);
}

/** The packages that a program imports, without those of Node.js. */
export function importedBy(program) {
  const ids = [...program.matchAll(/^import .*?"([^"]+)";/gm)].map(([, id]) => id);
  const names = ids.filter((id) => !id.startsWith("node:")).map((id) => /^(@[^/]+\/)?[^/]+/.exec(id)[0]);
  return [...new Set(names)];
}

/**
 * Returns the name of the package that an argument of `npm install` installs: a name, a name with a version, or a
 * repository.
 */
export function nameOf(argument) {
  const [before] = argument.split("#");
  if (!argument.startsWith("@") && before.includes("/")) return before.split("/")[1];
  return /^@?[^@]+/.exec(argument)[0];
}

/** A README's first program, or `undefined`. */
export function programOf(readme) {
  return /^```js\n(.*?)^```$/ms.exec(readme)?.[1];
}

/** Whether a program is a test file, to be run by vitest. */
export function isTestFile(program) {
  return program.includes("@cm/contract-tests");
}

/**
 * The lines that a program promises to print, in the comments after its `console.log` calls or after the end
 * of a suite.
 */
export function promisedLines(program) {
  return [...program.matchAll(/(?:console\.log\(.*|^\}\);) \/\/ (.+)$/gm)].map(([, text]) => text.trim());
}

/** The first promised line that was not printed after the ones before it, or `undefined`. */
export function missingLine(program, printed) {
  let from = 0;
  for (const line of promisedLines(program)) {
    const at = printed.indexOf(line, from);
    if (at < 0) return line;
    from = at + line.length;
  }
  return undefined;
}
