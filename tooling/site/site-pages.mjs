import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { filesUnder } from "../workspace/setup/build-stamp.mjs";
import { publishablePackages, ROOT, SetupError } from "../workspace/workspace.mjs";
import { externalLinkFault } from "./external-links.mjs";
import { anchorsOf, isLocal, replaceTargets, resolveTarget } from "./markdown-links.mjs";
import { PLACES } from "./site-paths.mjs";

/** Files outside of docs/ that are pages of the site, with their names in the site. */
const OTHER_PAGES = {
  "ARCHITECTURE.md": "architecture.md",
  "CONTRIBUTING.md": "contributing.md",
  "SECURITY.md": "security.md",
  "examples/README.md": "examples.md",
  "benchmarks/README.md": "benchmarks.md",
};

const LANGUAGES = { cfg: "txt", conf: "nginx", service: "ini", yml: "yaml" };

/** Entries of a folder that are not part of the repository. */
const NOT_SOURCE = new Set(["node_modules", "dist", ".turbo"]);

const read = (path) => readFileSync(join(ROOT, path), "utf8");

/** A package's name without its scope. */
export const shortName = (name) => name.replace(/^@[^/]+\//, "");

/**
 * Writes the pages of the site: docs/, the READMEs of the packages and some others, with links to each other;
 * and every repository file that one of them links to, as its own page. Throws if a link of a page, or of the
 * main README, is broken, or if an external link has an invalid form.
 */
export function writePages() {
  const pages = pageNames();
  const sources = new Map();
  const faults = [];

  for (const [from, to] of [...pages, ["README.md", undefined]]) {
    const text = replaceTargets(read(from), (target) => {
      if (!isLocal(target)) {
        const fault = externalLinkFault(target);
        if (fault !== undefined) faults.push(`${from}: ${target} ${fault}`);
        return target;
      }
      const { path, anchor } = resolveTarget(from, target);
      const fault = faultOf(path, anchor);
      if (fault !== undefined) {
        faults.push(`${from}: ${target} ${fault}`);
        return target;
      }
      return linkTo(path, anchor);
    });
    if (to !== undefined) writePage(to, withPictures(to.startsWith("packages/") ? withApi(text, to) : text));
  }
  if (faults.length > 0) throw new SetupError(`Links of the pages:\n${faults.join("\n")}`);
  // The page of an example's file links to the example's folder, which is then added to the map and written
  // later in this loop.
  for (const [path, to] of sources) writePage(to, sourcePage(path, linkTo));
  copyAsset("docs/asyncapi.yaml", "asyncapi.yaml");
  copyAsset("apps/gateway/public/favicon.svg", "favicon.svg");
  return { pages: pages.size, sources: sources.size };

  function faultOf(path, anchor) {
    if (path.startsWith("..") || !existsSync(join(ROOT, path))) return "is not in the repository";
    if (anchor === undefined || !path.endsWith(".md")) return undefined;
    return anchorsOf(read(path)).has(anchor) ? undefined : "has no such heading";
  }

  /** The address of a repository file in the site. */
  function linkTo(path, anchor) {
    const behind = anchor === undefined ? "" : `#${anchor}`;
    if (path.startsWith("docs/pictures/")) return path;
    if (path === "docs/asyncapi.yaml") return "/asyncapi.yaml";
    if (path === "README.md") return `/index.md${behind}`;
    const page = pages.get(path) ?? pages.get(`${path}/README.md`);
    if (page !== undefined) return `/${page}${behind}`;
    const name = `source/${path.replaceAll(".", "-")}.md`;
    sources.set(path, name);
    return `/${name}`;
  }
}

/** Every page by its path in the repository, with its name in the site. */
function pageNames() {
  const docs = filesUnder("docs").filter((path) => path.endsWith(".md"));
  const readmes = publishablePackages().map(({ dir, manifest }) => [
    `${dir}/README.md`,
    `packages/${shortName(manifest.name)}.md`,
  ]);
  return new Map([
    ...docs.map((path) => [path, path.replace(/^docs\//, "").replace(/(^|\/)README\.md$/, "$1index.md")]),
    ...Object.entries(OTHER_PAGES),
    ...readmes,
  ]);
}

/** Adds a link to the exported symbols to a package's page. */
function withApi(text, name) {
  return `${text.trimEnd()}\n\n## Programming interface\n\n[Every exported symbol](/${name.replace("packages/", "api/")})\n`;
}

/** Embeds pictures in the page itself, so that they use its light or dark colours. */
function withPictures(text) {
  return text.replace(/^!\[([^\]]*)\]\((docs\/pictures\/[^)]+)\)$/gm, (_, alt, path) => {
    const svg = read(path)
      .replace(/\s*<style>[\s\S]*?<\/style>/, "")
      .replace(/\n\s*/g, "\n")
      .trim();
    return `<figure class="picture" v-pre>\n${svg}\n<figcaption>${alt}</figcaption>\n</figure>`;
  });
}

const EXAMPLE = /^examples\/\d\d-[^/]+/;

/** The page of a file or folder of the repository; `linkTo` returns the address of another file or folder. */
export function sourcePage(path, linkTo) {
  const [example] = EXAMPLE.exec(path) ?? [];
  const head = `---\nsearch: false\noutline: false\nprev: false\nnext: false\n---\n\n# ${path}\n\n`;
  if (path === example) return `${head}${exampleFiles(path, linkTo)}`;
  if (statSync(join(ROOT, path)).isDirectory()) {
    const names = readdirSync(join(ROOT, path)).filter((name) => !NOT_SOURCE.has(name));
    return `${head}A folder of the repository with:\n\n${names.map((name) => `- \`${name}\``).join("\n")}\n`;
  }
  const text = read(path);
  // Such a page is a benchmark result. Its links are removed, because they point outside of the site.
  if (path.endsWith(".md")) return `${head}${text.replace(/^# /m, "## ").replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")}`;
  const whole = example === undefined ? "" : ` With all others of its example: [${example}](${linkTo(example)}).`;
  return `${head}A file of the repository.${whole}\n\n${fenced(path)}`;
}

/** Returns the page of an example: the commands and files that are needed to run it elsewhere. */
function exampleFiles(path, linkTo) {
  const { dependencies, devDependencies } = JSON.parse(read(`${path}/package.json`));
  const install = [
    "npm init -y",
    "npm pkg set type=module",
    `npm install ${installed(dependencies)}`,
    `npm install --save-dev ${installed(devDependencies)}`,
  ];
  const intro = `In an empty folder, with the files below but for package.json; see [examples](${linkTo("examples/README.md")}):`;
  const run = "Then `npx tsc` and `node dist/main.js`.";
  const files = [...filesUnder(`${path}/src`), `${path}/package.json`, `${path}/tsconfig.json`];
  const sections = files.map((file) => `## ${file.slice(path.length + 1)}\n\n${fenced(file)}`);
  return `${intro}\n\n\`\`\`sh\n${install.join("\n")}\n\`\`\`\n\n${run}\n\n${sections.join("\n")}`;
}

/** The arguments for `npm install`, with the alias of packages that have another name in the registry. */
function installed(dependencies) {
  const catalog = read("pnpm-workspace.yaml");
  return Object.keys(dependencies)
    .map((name) => {
      const [, alias] = new RegExp(`^  ${name}: (npm:\\S+)$`, "m").exec(catalog) ?? [];
      return alias === undefined ? name : `${name}@${alias}`;
    })
    .join(" ");
}

/** A file's text as a fenced code block. */
function fenced(path) {
  const extension = posix.extname(path).slice(1);
  return `\`\`\`\`${LANGUAGES[extension] ?? extension}\n${read(path).trimEnd()}\n\`\`\`\`\n`;
}

function writePage(name, text) {
  const file = join(PLACES.pages, name);
  mkdirSync(dirname(file), { recursive: true });
  // Replace the languages that the highlighter does not support.
  writeFileSync(file, text.replace(/^```(acl|hex)$/gm, "```txt"));
}

function copyAsset(path, name) {
  mkdirSync(PLACES.assets, { recursive: true });
  writeFileSync(join(PLACES.assets, name), read(path));
}
