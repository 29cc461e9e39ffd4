import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { DriveJob, DriveResult } from "./drive-job.js";

const PROGRAM = fileURLToPath(new URL("./driver-main.js", import.meta.url));

/** Runs one job in a separate process, so that no run inherits the heap or compiled code of another. */
export function driveInProcess(job: DriveJob): Promise<DriveResult> {
  return new Promise((resolve, reject) => {
    const child = fork(PROGRAM, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    let result: DriveResult | undefined;
    child.once("message", (message) => {
      // The cast is safe: the only sender is driver-main.ts of the same build.
      result = message as DriveResult;
    });
    child.once("error", reject);
    child.once("exit", (code) => {
      if (result !== undefined) resolve(result);
      else reject(new Error(`The driver of ${job.contender} ended with ${code} and no result.`));
    });
    child.send(job);
  });
}
