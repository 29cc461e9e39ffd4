import { callsOf, membersOf } from "./source-code.mjs";

/** Replaces the text between the markers; `make(kind, args)` returns the new text. */
export function replaceGenerated(text, make) {
  return text.replace(
    /(<!-- generated: (?!end)(\S+)(.*?) -->\n)[\s\S]*?(<!-- generated: end -->)/g,
    (_, start, kind, rest, end) => `${start}\n${make(kind, rest.trim().split(/\s+/).filter(Boolean))}\n\n${end}`,
  );
}

/** The table of an interface's options, from its doc comments; required ones are bold. */
export function optionTable(source, name) {
  const lines = optionsOf(source, name).map(({ field, required, meaning }) => {
    return `| ${required ? `**\`${field}\`**` : `\`${field}\``} | ${meaning} |`;
  });
  return ["| option (bold: required) | meaning |", "|---|---|", ...lines].join("\n");
}

/** The own fields of an interface, as `{ field, required, meaning }`. Throws if there is no such interface. */
export function optionsOf(source, name) {
  return membersOf(source, name).map(({ field, required, type, comment }) => ({
    field,
    required,
    meaning: cell(comment === undefined ? `\`${type ?? "function"}\`` : prose(comment)),
  }));
}

/** Functions whose first or second argument is the code of the error that they make. */
const ERROR_MAKERS = ["CmError", "toCmError", "refusal"];

/** Functions that throw `options-invalid`. */
const OPTION_CHECKS = ["optionInvalid", "requireOptions", "invalid"];

/** The entries of `codes` whose codes the sources throw or report. */
export function errorsOf(sources, codes) {
  const thrown = new Set();
  for (const { name, args } of sources.flatMap(callsOf)) {
    const code = typeof args[0] === "string" ? args[0] : args[1];
    if (ERROR_MAKERS.includes(name) && code in codes) thrown.add(code);
    if (OPTION_CHECKS.includes(name)) thrown.add("options-invalid");
  }
  // Code that validates options also checks versions and the runtime, and throws these codes.
  if (thrown.has("options-invalid")) for (const code of ["version-mismatch", "runtime-unsupported"]) thrown.add(code);
  return Object.entries(codes).filter(([code]) => thrown.has(code));
}

export function errorTable(errors) {
  const lines = errors.map(
    ([code, { retryable, meaning }]) => `| \`${code}\` | ${retryable ? "yes" : "no"} | ${cell(meaning)} |`,
  );
  return ["| code | the same call may succeed later | meaning |", "|---|---|---|", ...lines].join("\n");
}

/**
 * The table of the errors that a package's parts throw and the package itself does not: each code with the
 * parts that throw it. `parts` has the names of the parts and their entries of the codes.
 */
export function partErrorTable(own, parts) {
  const found = new Map();
  for (const { name, errors } of parts) {
    for (const [code, entry] of errors) {
      if (own.some(([each]) => each === code)) continue;
      if (!found.has(code)) found.set(code, { ...entry, from: [] });
      found.get(code).from.push(`\`${name}\``);
    }
  }
  const lines = [...found].map(
    ([code, { retryable, meaning, from }]) =>
      `| \`${code}\` | ${retryable ? "yes" : "no"} | ${cell(meaning)} | ${from.join(", ")} |`,
  );
  return ["| code | the same call may succeed later | meaning | from |", "|---|---|---|---|", ...lines].join("\n");
}

/** Describes the sizes and the dependencies of a package. */
export function weightOf(
  { dependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} },
  { maxPackedKiB, maxInstalledMiB },
) {
  const list = (names) => names.map((name) => `\`${name}\``).join(", ");
  const peers = Object.keys(peerDependencies).filter((name) => !peerDependenciesMeta[name]?.optional);
  const optional = Object.keys(peerDependencies).filter((name) => peerDependenciesMeta[name]?.optional);
  const brings = Object.keys(dependencies);
  return [
    `The tarball has at most ${maxPackedKiB} KiB, and an installation by npm with all that it brings at most ` +
      `${maxInstalledMiB} MiB, both held by checks.`,
    brings.length === 0 ? "It has no dependencies." : `It depends on ${list(brings)}.`,
    ...(peers.length === 0 ? [] : [`Peers: ${list(peers)}.`]),
    ...(optional.length === 0 ? [] : [`Optional peers: ${list(optional)}.`]),
  ].join(" ");
}

function prose(comment) {
  return comment
    .replace(/^\s*\*/gm, "")
    .replace(/\{@link ([^}]+)\}/g, "`$1`")
    .replace(/\s+/g, " ")
    .trim();
}

function cell(text) {
  return text.replace(/\s+/g, " ").replaceAll("|", "\\|");
}
