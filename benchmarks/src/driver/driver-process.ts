import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { guard } from "@cm/test-kit";
import { type DriveJob, type DriveResult, STEADY } from "./driver-job.js";

const PROGRAM = fileURLToPath(new URL("./driver-main.js", import.meta.url));

/** A driver that works on a job. */
export interface Driving {
  /** Resolves when the steady part begins. Rejects if the driver ends before. */
  readonly steady: Promise<void>;
  readonly result: Promise<DriveResult>;
}

/** Runs one job in a separate process, so that no run inherits the heap or compiled code of another. */
export function driveInProcess(job: DriveJob): Driving {
  const child = fork(PROGRAM, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  guard(child);
  const result = resultOf(child, job);
  const steady = new Promise<void>((resolve, reject) => {
    child.on("message", (message) => {
      if (message === STEADY) resolve();
    });
    result.catch(reject);
  });
  // Avoid an unhandled rejection: a caller that does not wait for `steady` gets the failure from `result`.
  steady.catch(() => undefined);
  child.send(job);
  return { steady, result };
}

function resultOf(child: ChildProcess, job: DriveJob): Promise<DriveResult> {
  return new Promise((resolve, reject) => {
    let result: DriveResult | undefined;
    child.on("message", (message) => {
      // The cast is safe: the only sender is driver-main.ts of the same build.
      if (message !== STEADY) result = message as DriveResult;
    });
    child.once("error", reject);
    child.once("exit", (code) => {
      if (result !== undefined) resolve(result);
      else reject(new Error(`The driver of ${job.contender} ended with ${code} and no result.`));
    });
  });
}
