import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { guard } from "@cm/test-kit";
import type { ContenderName } from "../contenders.js";

/** Ping latency of a connection that is alone in its room. */
export interface PingLatency {
  readonly pings: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** The server to ping. */
export interface ProbeJob {
  readonly url: string;
  readonly contender: ContenderName;
}

/** A connection to a server from a separate process, which is not delayed by the driver's work. */
export interface Probe {
  readonly pid: number;
  /** Starts to record the latency of pongs. */
  begin(): void;
  end(): Promise<PingLatency>;
  stop(): void;
}

const PROGRAM = fileURLToPath(new URL("./probe-main.js", import.meta.url));

/** Starts a probe. Resolves when its connection has joined its room. Rejects if the process ends before. */
export async function startProbe(job: ProbeJob): Promise<Probe> {
  const child = fork(PROGRAM, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  guard(child);
  child.send(job);
  await answerOf(child);
  const { pid } = child;
  if (pid === undefined) throw new Error("The probe has no process.");
  return {
    pid,
    begin: () => void child.send("begin"),
    end: async () => {
      const answer = answerOf(child);
      child.send("end");
      // The cast is safe: the only sender is probe-main.ts of the same build.
      return (await answer) as PingLatency;
    },
    stop: () => void child.kill(),
  };
}

function answerOf(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once("message", resolve);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`The probe ended with ${code} and no result.`)));
  });
}
