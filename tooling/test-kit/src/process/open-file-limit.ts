import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Runs a module in a process with a limit of `limit` open files. Resolves with its output, parsed as JSON. */
export async function printedWithFewFiles(limit: number, module: string): Promise<unknown> {
  const script = `ulimit -n ${limit} && exec "$0" --input-type=module --eval "$1"`;
  const { stdout } = await run("sh", ["-c", script, process.execPath, module]);
  return JSON.parse(stdout);
}
