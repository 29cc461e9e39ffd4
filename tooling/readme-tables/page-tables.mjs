import { posix } from "node:path";
import { membersOf } from "./source-code.mjs";

const LANGUAGES = {
  ts: "ts",
  mjs: "js",
  js: "js",
  cfg: "txt",
  conf: "nginx",
  yaml: "yaml",
  yml: "yaml",
  service: "ini",
};

/** A file of the repository, or a region of it, as a fenced block without region marks and common indentation. */
export function codeBlock(source, path, region) {
  const lines = source.trimEnd().split("\n");
  let chosen = lines;
  if (region !== undefined) {
    const start = lines.findIndex((line) => new RegExp(`// #region ${region}$`).test(line));
    const length = start < 0 ? -1 : lines.slice(start).findIndex((line) => /\/\/ #endregion/.test(line));
    if (length < 0) throw new Error(`${path} has no region ${region}.`);
    chosen = lines.slice(start + 1, start + length);
  }
  const kept = chosen.filter((line) => !/^\s*\/\/ #(end)?region/.test(line));
  const indents = kept.filter((line) => line !== "").map((line) => line.search(/\S/));
  const text = kept.map((line) => line.slice(Math.min(...indents))).join("\n");
  return `\`\`\`${LANGUAGES[path.split(".").at(-1)] ?? ""}\n${text}\n\`\`\``;
}

/**
 * The table of environment variables, from an interface whose doc comments begin with the variables, or have
 * a line `- ` for each. Throws if the comments and `names` do not contain the same variables, or if a
 * variable has no default.
 */
export function variableTable(source, names) {
  const rows = membersOf(source).flatMap(({ comment }) => (comment === undefined ? [] : rowsOf(comment)));
  const told = rows.flatMap((row) => row.names);
  const odd = [...names.filter((name) => !told.includes(name)), ...told.filter((name) => !names.includes(name))];
  if (odd.length > 0) throw new Error(`Described and known variables differ: ${odd.join(", ")}.`);
  const lines = rows.map(({ names, fallback, meaning }) => {
    if (fallback === undefined) throw new Error(`${names.join(", ")}: the comment names no default.`);
    return `| ${names.map((name) => `\`${name}\``).join(", ")} | ${cell(fallback)} | ${linked(cell(meaning))} |`;
  });
  return ["| variable | default | meaning |", "|---|---|---|", ...lines].join("\n");
}

/** Replaces the name of a page, such as docs/redis.md#memory, by a link that works from another page of docs/. */
function linked(text) {
  return text.replace(/\bdocs\/([\w-]+\.md(?:#[\w-]+)?)/g, (path, page) => `[${path.split("#")[0]}](${page})`);
}

/** Variables that the gateway sets itself; they are not documented for users. */
const INTERNAL = /^CM_/;

function rowsOf(comment) {
  const text = comment.replace(/^\s*\* ?/gm, "").trim();
  const [first] = text.split("\n\n");
  return first
    .split(/^- /m)
    .map((part) => part.replace(/\s+/g, " ").trim())
    .flatMap((part) => {
      const found = /^((?:`[A-Z][A-Z_]+`(?:, )?)+): (.*)$/.exec(part);
      if (found === null) return [];
      const names = found[1].replaceAll("`", "").split(", ");
      if (names.some((name) => INTERNAL.test(name))) return [];
      const [, before, fallback] = /^(.*?)\s*Default:? (.*?)\.$/.exec(found[2]) ?? [undefined, found[2], undefined];
      return [{ names, fallback, meaning: before.replace(/^./, (letter) => letter.toUpperCase()) }];
    });
}

/** The table of published packages with the descriptions of their manifests. */
export function packageTable(packages, page) {
  const lines = packages.map(({ dir, manifest }) => {
    const link = posix.relative(posix.dirname(page), `${dir}/README.md`);
    return `| [\`${manifest.name}\`](${link}) | ${cell(manifest.description)} |`;
  });
  return ["| package | what it is |", "|---|---|", ...lines].join("\n");
}

/** The table of the store's keys and channels, from the store's own list. */
export function keyTable(entries) {
  const lines = entries.map(({ name, type, holds, writer, goes }) => {
    return `| \`${name}\` | ${[type, holds, writer, goes].map(cell).join(" | ")} |`;
  });
  return ["| key or channel | type | holds | written by | goes |", "|---|---|---|---|---|", ...lines].join("\n");
}

/** The table of decision records, by number, with their dates. */
export function decisionTable(records) {
  const lines = records.map(({ path, text }) => {
    const [, number, title] = /^# (\d+)\. (.*)$/m.exec(text) ?? [];
    const [date] = /^\d{4}-\d{2}-\d{2}$/m.exec(text) ?? [];
    if (title === undefined || date === undefined) throw new Error(`${path} lacks its title or its date.`);
    return `| ${number} | [${cell(title)}](${posix.basename(path)}) | ${date} |`;
  });
  return ["| | decision | date |", "|---|---|---|", ...lines].join("\n");
}

/** The scenarios of docs/performance.md that are compared in the README: one for each kind of room. */
const COMPARED = ["many-rooms", "big-rooms", "hot-rooms", "hot-crowd", "huge-room"];

/**
 * The table of ratios: for each compared scenario of docs/performance.md, the gateway's CPU time per delivery
 * divided by that of each other server.
 */
export function comparisonTable(page) {
  const sections = page.split(/^## /m).slice(1);
  const rows = sections.flatMap((section) => {
    const [name] = section.split("\n");
    if (!COMPARED.includes(name)) return [];
    const header = /^\|\s+\|(.*)\|$/m.exec(section)?.[1];
    const ratios = /^\| server CPU a delivery, cm \/ \|(.*)\|$/m.exec(section)?.[1];
    const load = section.split("\n").find((line) => / messages a second of /.test(line));
    if (header === undefined || ratios === undefined || load === undefined) return [];
    const run = /^From \[[^\]]*\]\([^)]*\), (a run of \S+ on commit \w+)/m.exec(section)?.[1];
    if (run === undefined) throw new Error(`docs/performance.md does not say which run ${name} is from.`);
    const isDoubtful = /^\*\*Every turn of this section is doubtful/m.test(section);
    const values = ratios.split("|").map((text) => /\*\*([\d.]+)\*\*/.exec(text)?.[1] ?? "-");
    return [
      {
        name,
        load: load.replace(/\.$/, ""),
        source: `${run}${isDoubtful ? ", in which other work disturbed every turn" : ""}`,
        values: new Map(header.split("|").map((peer, at) => [peer.trim(), values[at]])),
      },
    ];
  });
  if (rows.length === 0) throw new Error("docs/performance.md has no ratios.");
  const peers = [...new Set(rows.flatMap(({ values }) => [...values.keys()]))];
  const sources = [...new Set(rows.map(({ source }) => source))].map((source) => {
    const names = rows.filter((row) => row.source === source).map(({ name }) => name);
    return `${names.length === rows.length ? "From" : `${names.join(", ")}: from`} ${source}.`;
  });
  return [
    `| load | ${peers.join(" | ")} |`,
    `|---|${peers.map(() => "---|").join("")}`,
    ...rows.map(
      ({ name, load, values }) => `| ${name}: ${load} | ${peers.map((peer) => values.get(peer) ?? "-").join(" | ")} |`,
    ),
    "",
    sources.join(" "),
  ].join("\n");
}

function cell(text) {
  return text.replace(/\s+/g, " ").replaceAll("|", "\\|").trim();
}
