import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { BenchResult } from "./bench-result.js";
import { toMarkdown } from "./markdown.js";

const FOLDER = fileURLToPath(new URL("../../results/", import.meta.url));

/** Writes `results/<date>-<commit>.json` and `.md`; returns the path of the latter. */
export async function writeResult(result: BenchResult): Promise<string> {
  await mkdir(FOLDER, { recursive: true });
  const date = result.startedAt.slice(0, 10);
  const base = `${FOLDER}${date}-${result.commit.replace("+", "-changed")}`;
  await writeFile(`${base}.json`, `${JSON.stringify(result, null, 2)}\n`);
  await writeFile(`${base}.md`, toMarkdown(result));
  return `${base}.md`;
}
