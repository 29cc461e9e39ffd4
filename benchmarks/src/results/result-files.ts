import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { drawBarChart } from "../charts/bar-chart.js";
import { FIGURE_SCENARIOS } from "../figures/figure-scenarios.js";
import type { BenchResult } from "./bench-result.js";
import { chooseLatest } from "./latest-results.js";
import { toMarkdown } from "./markdown.js";
import { toPerformancePage } from "./performance-page.js";

const FOLDER = fileURLToPath(new URL("../../results/", import.meta.url));
const PAGE = fileURLToPath(new URL("../../../docs/performance.md", import.meta.url));
const PICTURES = fileURLToPath(new URL("../../../docs/pictures/", import.meta.url));

/**
 * Writes `results/<date>-<time>-<commit>.json` and `.md` in a folder, so that scenarios that are measured one
 * after the other on one commit keep their results; returns the path of the `.md` file.
 */
export async function writeResult(result: BenchResult, folder = FOLDER): Promise<string> {
  await mkdir(folder, { recursive: true });
  const [date, time = ""] = result.startedAt.split("T");
  const name = `${date}-${time.slice(0, 8).replaceAll(":", "")}-${result.commit.replace("+", "-changed")}`;
  const base = `${folder.replace(/\/?$/, "/")}${name}`;
  await writeFile(`${base}.json`, `${JSON.stringify(result, null, 2)}\n`);
  await writeFile(`${base}.md`, toMarkdown(result));
  return `${base}.md`;
}

/**
 * Generates `docs/performance.md` and its charts from the newest result of each scenario in a folder; returns the
 * path of the page.
 */
export async function writePage(folder = FOLDER): Promise<string> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".json"));
  const results = await Promise.all(
    names.map(async (name) => {
      // The cast is safe, because `writeResult` wrote the file; fields that an older build did not write are checked.
      const result = JSON.parse(await readFile(`${folder}/${name}`, "utf8")) as BenchResult;
      return { name: name.replace(/\.json$/, ".md"), result };
    }),
  );
  const figureScenarios = FIGURE_SCENARIOS.map(({ name }) => name);
  const { text, charts } = toPerformancePage(chooseLatest(results, figureScenarios));
  await writeFile(PAGE, text);
  for (const [name, chart] of charts) await writeFile(PICTURES + name, drawBarChart(chart));
  return PAGE;
}
