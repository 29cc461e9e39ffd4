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
// Loaded only now: it takes a while, and a signal in the meantime must not kill.
const { runMain } = await import("./cli/run-main.js");
// Native handles may outlive their owners; everything that matters has ended.
process.exit(await runMain(fileURLToPath(import.meta.url), process.argv.slice(2), request));
