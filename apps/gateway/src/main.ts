#!/usr/bin/env node
import { fileURLToPath } from "node:url";
import { listenForStop } from "./stop-request.js";

const request = listenForStop();
// Loaded only now: it takes a while, and a signal in the meantime must not kill.
const { runMain } = await import("./cli/run-main.js");
// Native handles may outlive their owners; everything that matters has ended.
process.exit(await runMain(fileURLToPath(import.meta.url), process.argv.slice(2), request));
