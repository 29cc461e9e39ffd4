import { CONTENDERS, contenderNamed } from "../contenders.js";
import { CpuMeter } from "../figures/cpu-meter.js";
import type { FigureContext, FigureSample, FigureScenario } from "../figures/figure-run.js";
import { MachineWatch } from "../figures/machine-watch.js";
import { startServerProcess } from "../server-process.js";
import { ClientCrowd, quantile } from "./client-crowd.js";

const CONNECTIONS = 500;
const JOINS = 20;
const ROOMS = 500;

/** Number of connections that are opened, and join the same number of rooms, before anything is measured. */
const WARM_UP_CONNECTIONS = 200;

/** Figure that has a goal. */
export const SERVER_CPU_A_JOIN = "server CPU us a join";

/** The cost of connections and joins through sockets, on an otherwise idle server. */
export const socketJoinsScenario: FigureScenario = {
  name: "socket-joins",
  text:
    `${CONNECTIONS} connections to one server, all opened at the same time; then each joins ${JOINS} of ${ROOMS} rooms, ` +
    "one after the other, all connections at the same time. No messages.",
  subjects: ["cm", "minimum", "ws", "socket.io", "socket.io-uws"],
  measure,
};

async function measure(subject: string, { redis, scale }: FigureContext): Promise<FigureSample> {
  const contender = CONTENDERS[contenderNamed(subject)];
  const server = await startServerProcess(contender, 0, redis.url);
  const crowds = ["warm-", "join-"].map((prefix) => new ClientCrowd(contender.protocol, [server.url], prefix));
  const [warm, crowd] = crowds;
  try {
    if (warm === undefined || crowd === undefined) throw new Error("There are two crowds.");
    // Load the code first: functions that have run some thousand times are compiled.
    await warm.open(WARM_UP_CONNECTIONS, WARM_UP_CONNECTIONS);
    await warm.join(JOINS, WARM_UP_CONNECTIONS, (client, join) => `warm-${(client * JOINS + join) % ROOMS}`);
    const connections = Math.max(10, Math.round(CONNECTIONS * scale));
    const watch = new MachineWatch([server.pid, redis.pid]);
    const opening = new CpuMeter([server.pid]);
    await crowd.open(connections, connections);
    const openCpuUs = opening.cpuUs / connections;
    const [ours, theirs] = [new CpuMeter([server.pid]), new CpuMeter([redis.pid])];
    const took = await crowd.join(JOINS, connections, (client, join) => `room-${(client * JOINS + join) % ROOMS}`);
    const wallMs = ours.elapsedMs;
    return {
      valid: took.length === connections * JOINS,
      otherCores: watch.otherCores(),
      figures: {
        [SERVER_CPU_A_JOIN]: ours.cpuUs / took.length,
        "Redis CPU us a join": theirs.cpuUs / took.length,
        "joins a second (more is better)": (took.length / wallMs) * 1_000,
        "p99 of a join, ms": quantile(took, 0.99),
        "server CPU us a connection": openCpuUs,
      },
    };
  } finally {
    await Promise.all(crowds.map((each) => each.cut()));
    await server.stop();
  }
}
