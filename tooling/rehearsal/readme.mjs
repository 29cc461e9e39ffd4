/** What a README's first `npm install` line installs; empty where it has none. */
export function installedBy(readme) {
  const [, line = ""] = /^npm install (.+)$/m.exec(readme) ?? [];
  return line.split(/\s+/).filter(Boolean);
}

/** A README's first program, or undefined. */
export function programOf(readme) {
  return /^```js\n(.*?)^```$/ms.exec(readme)?.[1];
}

/** Whether a program is a file of tests, which vitest runs. */
export function isTestFile(program) {
  return program.includes("@cm/contract-tests");
}

/** What a program says that it prints, in the comments behind its `console.log` lines, or behind a suite's end. */
export function promisedLines(program) {
  return [...program.matchAll(/(?:console\.log\(.*|^\}\);) \/\/ (.+)$/gm)].map(([, text]) => text.trim());
}

/** The first promised line that was not printed after those before it, or undefined. */
export function missingLine(program, printed) {
  let from = 0;
  for (const line of promisedLines(program)) {
    const at = printed.indexOf(line, from);
    if (at < 0) return line;
    from = at + line.length;
  }
  return undefined;
}
