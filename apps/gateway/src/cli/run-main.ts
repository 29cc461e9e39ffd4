import { loadEnvFile } from "../config/env-file.js";
import { EXIT, tell } from "../exit.js";
import type { StopRequest } from "../stop-request.js";
import { runCommandLine } from "./command-line.js";

/** Does what the arguments say, by default to run a gateway; resolves to the exit code. */
export async function runMain(script: string, args: readonly string[], request: StopRequest): Promise<number> {
  try {
    loadEnvFile();
  } catch (error) {
    tell(error);
    return EXIT.config;
  }
  const exitCode = await runCommandLine(args);
  if (exitCode !== undefined) return exitCode;
  // The native layer is loaded where a gateway runs, and not for `--help`.
  const { runProgram } = await import("../program.js");
  return runProgram(script, request);
}
