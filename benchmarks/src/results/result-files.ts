import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { BenchResult } from "./bench-result.js";
import { toMarkdown } from "./markdown.js";
import { toPerformancePage } from "./performance-page.js";

const FOLDER = fileURLToPath(new URL("../../results/", import.meta.url));
const PAGE = fileURLToPath(new URL("../../../docs/performance.md", import.meta.url));

/** Writes `results/<date>-<commit>.json` and `.md`; returns the path of the `.md` file. */
export async function writeResult(result: BenchResult): Promise<string> {
  await mkdir(FOLDER, { recursive: true });
  const date = result.startedAt.slice(0, 10);
  const base = `${FOLDER}${date}-${result.commit.replace("+", "-changed")}`;
  await writeFile(`${base}.json`, `${JSON.stringify(result, null, 2)}\n`);
  await writeFile(`${base}.md`, toMarkdown(result));
  return `${base}.md`;
}

/** Generates `docs/performance.md` from the result of the run that started last; returns its path. */
export async function writePage(): Promise<string> {
  const names = (await readdir(FOLDER)).filter((name) => name.endsWith(".json"));
  const results = await Promise.all(
    names.map(async (name) => {
      // The cast is safe, because `writeResult` wrote the file; but a result of an older build has no ratios.
      const result = JSON.parse(await readFile(FOLDER + name, "utf8")) as BenchResult;
      return { name: name.replace(/\.json$/, ".md"), result };
    }),
  );
  const [latest] = results
    .filter(({ result }) => Array.isArray(result.ratios) && result.ratios.length > 0)
    .sort((left, right) => right.result.startedAt.localeCompare(left.result.startedAt));
  if (latest === undefined) throw new Error("No result with ratios is in benchmarks/results.");
  await writeFile(PAGE, toPerformancePage(latest.result, latest.name));
  return PAGE;
}
