#!/usr/bin/env node
import { fileURLToPath } from "node:url";
import { requireFittingRuntime } from "@cm/protocol/options";
import { EXIT, tell } from "./exit.js";
import { listenForStop } from "./stop-request.js";

const request = listenForStop();
try {
  requireFittingRuntime();
} catch (error) {
  tell(error);
  process.exit(EXIT.config);
}
// Loaded after the signal handlers are installed: loading takes a while, and a signal must not kill the process
// then.
const { runMain } = await import("./cli/run-main.js");
// Exit explicitly: native handles may still be open, but everything that matters has ended.
process.exit(await runMain(fileURLToPath(import.meta.url), process.argv.slice(2), request));
