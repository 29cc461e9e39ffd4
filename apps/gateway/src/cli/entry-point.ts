import { loadEnvFile } from "../config/env-file.js";
import { EXIT } from "../exit-codes.js";
import type { StopRequest } from "../stop-request.js";
import { printError } from "../terminal-output.js";
import { runCommandLine } from "./command-line.js";

/** Runs the command that the arguments name, by default a gateway. Resolves with the exit code. */
export async function runMain(script: string, args: readonly string[], request: StopRequest): Promise<number> {
  try {
    loadEnvFile();
  } catch (error) {
    printError(error);
    return EXIT.config;
  }
  const exitCode = await runCommandLine(args);
  if (exitCode !== undefined) return exitCode;
  // Import the program only to run a gateway, so that `--help` does not load the native module.
  const { runProgram } = await import("../program.js");
  return runProgram(script, request);
}
