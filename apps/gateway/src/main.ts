#!/usr/bin/env node
import { fileURLToPath } from "node:url";
import { listenForStop } from "./stop-request.js";

const request = listenForStop();
// Loaded only now: it takes a while, and a signal in the meantime must not kill.
const { runProgram } = await import("./program.js");
// Native handles may outlive their owners; everything that matters has ended.
process.exit(await runProgram(fileURLToPath(import.meta.url), request));
