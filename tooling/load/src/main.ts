import { isCmError } from "@cm/protocol";
import { LOAD_USAGE, parseLoadCommand } from "./command-line.js";
import { formatProgress, type LoadProgress } from "./report/load-progress.js";
import { formatLoadReport } from "./report/load-report.js";
import { runLoad } from "./run-load.js";

/**
 * Runs the load. Resolves with the exit code: 0 for success, 1 if the report is not `ok`, for example because
 * messages were lost, duplicated or out of order. Rejects if the run could not be performed; the exit code is
 * then 2.
 */
async function main(): Promise<number> {
  const command = parseLoadCommand(process.argv.slice(2));
  if (command.help) {
    console.log(LOAD_USAGE);
    return 0;
  }
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  process.once("SIGTERM", () => stop.abort());
  const report = await runLoad({ ...command.load, onProgress: showProgress, signal: stop.signal });
  if (process.stderr.isTTY) process.stderr.write("\n");
  console.log(command.json ? JSON.stringify(report, null, 2) : formatLoadReport(report));
  return report.ok ? 0 : 1;
}

/** Prints the progress to standard error, so that standard output contains only the report. */
function showProgress(progress: LoadProgress): void {
  const line = formatProgress(progress);
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[2K${line}` : `${line}\n`);
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!isCmError(error)) throw error;
  console.error(`${error.code}: ${error.message}`);
  if (error.details !== undefined) console.error(JSON.stringify(error.details));
  if (error.code === "options-invalid") console.error(`\n${LOAD_USAGE}`);
  process.exitCode = 2;
}
