#!/usr/bin/env node
import { fileURLToPath } from "node:url";
import { requireFittingRuntime } from "@cm/protocol/options";
import { EXIT } from "./exit-codes.js";
import { listenForStop } from "./stop-request.js";
import { printError } from "./terminal-output.js";

const request = listenForStop();
try {
  requireFittingRuntime();
} catch (error) {
  printError(error);
  process.exit(EXIT.config);
}
// Load this module after the signal handlers have been installed: loading takes a while, and a signal that
// arrives during that time must not kill the process.
const { runMain } = await import("./cli/entry-point.js");
// Exit explicitly: native handles may still be open, but everything that matters has ended.
process.exit(await runMain(fileURLToPath(import.meta.url), process.argv.slice(2), request));
