/** The driver process: receives one job over IPC, sends its result, and ends. */
import { runLoad, type SteadyEdge } from "@cm/load";
import { CONTENDERS } from "../contenders.js";
import { type CommandUses, readCommandUses, usesPerOperation } from "../operations/command-uses.js";
import { type PingLatency, startProbe } from "../probe/probe-process.js";
import { type CpuSeconds, cpuBetween, NO_CPU, readMachineBusySeconds, readProcessCpu, sumCpu } from "../process-cpu.js";
import { readProcessBytes } from "../process-memory.js";
import { createRoomDialect } from "../protocols/room-dialects.js";
import { SlowReaders } from "../sockets/slow-readers.js";
import { type DriveJob, type DriveResult, STEADY } from "./driver-job.js";

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

interface Mark {
  readonly servers: readonly CpuSeconds[];
  readonly redis: readonly CpuSeconds[];
  readonly ours: CpuSeconds;
  readonly busySeconds: number;
  readonly commands: Promise<CommandUses> | undefined;
  readonly atMs: number;
}

async function drive(job: DriveJob): Promise<DriveResult> {
  const { scenario, serverPids, redisPids, otherPids = [] } = job;
  const { protocol, extraBytes = 0 } = CONTENDERS[job.contender];
  const marks: Mark[] = [];
  const slowReaders = new SlowReaders(protocol, job.urls, scenario.slowReaders ?? 0);
  const dialect = createRoomDialect(protocol, {
    roomsPerConnection: scenario.roomsPerConnection ?? 1,
    direct: scenario.direct ?? false,
    onRoom: (room) => slowReaders.follow(room),
  });
  const [first = ""] = job.urls;
  const probe = await startProbe({ url: first, contender: job.contender });
  let ping: Promise<PingLatency> | undefined;
  let serverBytes = 0;
  const onSteady = (edge: SteadyEdge) => {
    if (edge === "begin") {
      probe.begin();
      process.send?.(STEADY);
    } else {
      ping = probe.end();
      serverBytes = serverPids.map(readProcessBytes).reduce((sum, bytes) => sum + bytes, 0);
    }
    const servers = serverPids.map(readProcessCpu);
    const redis = redisPids.map(readProcessCpu);
    const drivers = [process.pid, probe.pid, ...otherPids].map(readProcessCpu);
    const ours = sumCpu([...servers, ...redis, ...drivers]);
    const commands = job.redisPort === undefined ? undefined : readCommandUses(job.redisPort);
    // The end of the run waits for it; a failure before that must not end the process.
    commands?.catch(() => undefined);
    marks.push({ servers, redis, ours, busySeconds: readMachineBusySeconds(), commands, atMs: Date.now() });
  };
  const report = await runLoad({
    urls: job.urls,
    rooms: scenario.rooms,
    members: scenario.members,
    rate: scenario.rate,
    publishers: scenario.publishers ?? "all",
    burst: scenario.burst ?? 1,
    ...(scenario.maxInFlight === undefined ? {} : { maxInFlight: scenario.maxInFlight }),
    bytes: scenario.bytes + extraBytes,
    warmupSeconds: job.warmupSeconds,
    seconds: job.seconds,
    seed: job.seed,
    // The sender of a direct message is not among its receivers.
    echo: scenario.direct !== true,
    acks: false,
    dialect,
    onSteady,
  }).finally(() => {
    probe.stop();
    slowReaders.close();
  });
  const [begin, end] = marks;
  if (begin === undefined || end === undefined || ping === undefined) throw new Error("The run had no steady part.");
  const ours = cpuBetween(begin.ours, end.ours);
  const [commandsBefore, commandsAfter] = [await begin.commands, await end.commands];
  return {
    report,
    serverCpu: spentEach(begin.servers, end.servers),
    ping: await ping,
    redisCpu: spentEach(begin.redis, end.redis),
    otherCpuSeconds: Math.max(0, end.busySeconds - begin.busySeconds - ours.total),
    serverBytes,
    redisCommands:
      commandsBefore === undefined || commandsAfter === undefined
        ? undefined
        : usesPerOperation(commandsBefore, commandsAfter, report.steady.published),
    steadyTime: { fromMs: begin.atMs, toMs: end.atMs },
  };
}

function spentEach(before: readonly CpuSeconds[], after: readonly CpuSeconds[]): CpuSeconds[] {
  return after.map((each, index) => cpuBetween(before[index] ?? NO_CPU, each));
}
