/** The driver process: receives one job over IPC, sends its result, and ends. */
import { runLoad, type SteadyEdge } from "@cm/load";
import { CONTENDERS } from "../contenders.js";
import { type PingLatency, startProbe } from "../probe/probe-process.js";
import { type CpuSeconds, cpuBetween, readMachineBusySeconds, readProcessCpu, sumCpu } from "../process-cpu.js";
import type { DriveJob, DriveResult } from "./drive-job.js";

process.once("message", (job) => {
  // The cast is safe: the only sender is driver-process.ts of the same build.
  drive(job as DriveJob).then(
    (result) => process.send?.(result, () => process.disconnect()),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});

async function drive(job: DriveJob): Promise<DriveResult> {
  const marks: { servers: CpuSeconds; redis: CpuSeconds; ours: CpuSeconds; busySeconds: number }[] = [];
  const dialect = CONTENDERS[job.contender].dialect();
  const [first = ""] = job.urls;
  const probe = await startProbe({ url: first, contender: job.contender });
  let ping: Promise<PingLatency> | undefined;
  const onSteady = (edge: SteadyEdge) => {
    if (edge === "begin") probe.begin();
    else ping = probe.end();
    const servers = sumCpu(job.serverPids.map(readProcessCpu));
    const redis = readProcessCpu(job.redisPid);
    const ours = sumCpu([servers, redis, readProcessCpu(process.pid), readProcessCpu(probe.pid)]);
    marks.push({ servers, redis, ours, busySeconds: readMachineBusySeconds() });
  };
  const report = await runLoad({
    urls: job.urls,
    rooms: job.scenario.rooms,
    members: job.scenario.members,
    rate: job.scenario.rate,
    publishers: job.scenario.publishers ?? "all",
    bytes: job.scenario.bytes + (CONTENDERS[job.contender].extraBytes ?? 0),
    warmupSeconds: job.warmupSeconds,
    seconds: job.seconds,
    seed: job.seed,
    acks: false,
    dialect,
    onSteady,
  }).finally(() => probe.stop());
  const [begin, end] = marks;
  if (begin === undefined || end === undefined || ping === undefined) throw new Error("The run had no steady part.");
  const ours = cpuBetween(begin.ours, end.ours);
  return {
    report,
    serverCpu: cpuBetween(begin.servers, end.servers),
    ping: await ping,
    redisCpu: cpuBetween(begin.redis, end.redis),
    otherCpuSeconds: Math.max(0, end.busySeconds - begin.busySeconds - ours.user - ours.system),
  };
}
