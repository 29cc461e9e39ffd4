import { setTimeout as sleep } from "node:timers/promises";
import { CONTENDERS, contenderNamed } from "../contenders.js";
import { CpuMeter } from "../figures/cpu-meter.js";
import type { FigureContext, FigureSample, FigureScenario } from "../figures/figure-run.js";
import { MachineWatch } from "../figures/machine-watch.js";
import { startServerProcess } from "../server-process.js";
import { ClientCrowd, quantile } from "./client-crowd.js";

const CONNECTIONS = 500;
const JOINS = 20;
const ROOMS = 500;

/** Number of connections that open and join `JOINS` rooms each before anything is measured. */
const WARM_UP_CONNECTIONS = 200;

/** How many other rooms connections are in when they join one more. The gateway's default maximum is 100 rooms. */
const OTHER_ROOMS = [0, 10, 99];

/** Number of connections that join one more room, for each entry of `OTHER_ROOMS`. */
const CONNECTIONS_IN_OTHER_ROOMS = 1_000;

/** Time for a server to finish what it began, in milliseconds. */
const PAUSE_MS = 1_000;

/** Title of the figure that has a goal. */
export const SERVER_CPU_A_JOIN = "server CPU us a join";

/** The cost of connections and joins through sockets, on an otherwise idle server. */
export const socketJoinsScenario: FigureScenario = {
  name: "socket-joins",
  text: (scale) =>
    `${atLeastTen(CONNECTIONS * scale)} connections to one server, all opened at the same time; then each joins ${JOINS} of ${ROOMS} rooms, ` +
    "one after the other, all connections at the same time. No messages. " +
    `Then ${atLeastTen(CONNECTIONS_IN_OTHER_ROOMS * scale)} connections each, which are in no room, in 10 and in 99, join one more.`,
  subjects: ["cm", "minimum", "ws", "socket.io", "socket.io-uws"],
  measure,
};

function atLeastTen(connections: number): number {
  return Math.max(10, Math.round(connections));
}

async function measure(subject: string, { redis, scale }: FigureContext): Promise<FigureSample> {
  const contender = CONTENDERS[contenderNamed(subject)];
  const server = await startServerProcess(contender, 0, redis.url);
  const crowds = ["warm-", "join-"].map((prefix) => new ClientCrowd(contender.protocol, [server.url], prefix));
  const [warm, crowd] = crowds;
  try {
    if (warm === undefined || crowd === undefined) throw new Error("There are two crowds.");
    // Warm up first: V8 compiles functions that have run some thousand times.
    await warm.open(WARM_UP_CONNECTIONS, WARM_UP_CONNECTIONS);
    await warm.join(JOINS, WARM_UP_CONNECTIONS, (client, join) => `warm-${(client * JOINS + join) % ROOMS}`);
    const connections = atLeastTen(CONNECTIONS * scale);
    const watch = new MachineWatch([server.pid, redis.pid]);
    const opening = new CpuMeter([server.pid]);
    await crowd.open(connections, connections);
    const openCpuUs = opening.cpuUs / connections;
    const [ours, theirs] = [new CpuMeter([server.pid]), new CpuMeter([redis.pid])];
    const took = await crowd.join(JOINS, connections, (client, join) => `room-${(client * JOINS + join) % ROOMS}`);
    const wallMs = ours.elapsedMs;
    const [serverCpu, redisCpu] = [ours.cpuUs / took.length, theirs.cpuUs / took.length];
    const otherCores = watch.otherCores();
    const inOtherRooms: Record<string, number> = {};
    for (const others of OTHER_ROOMS) {
      const figure = `server CPU us a join in ${others} other rooms`;
      inOtherRooms[figure] = await joinCpuUs(
        new ClientCrowd(contender.protocol, [server.url], `in-${others}-`),
        server.pid,
        {
          others,
          connections: atLeastTen(CONNECTIONS_IN_OTHER_ROOMS * scale),
        },
      );
    }
    return {
      valid: took.length === connections * JOINS,
      otherCores,
      figures: {
        [SERVER_CPU_A_JOIN]: serverCpu,
        "Redis CPU us a join": redisCpu,
        "joins a second (more is better)": (took.length / wallMs) * 1_000,
        "p99 of a join, ms": quantile(took, 0.99),
        "server CPU us a connection": openCpuUs,
        ...inOtherRooms,
      },
    };
  } finally {
    await Promise.all(crowds.map((each) => each.cut()));
    await server.stop();
  }
}

/**
 * Returns the server's processor time for one more join of a connection that is in `others` rooms, in
 * microseconds.
 */
async function joinCpuUs(
  crowd: ClientCrowd,
  pid: number,
  { others, connections }: { readonly others: number; readonly connections: number },
): Promise<number> {
  try {
    await crowd.open(connections, 100);
    await crowd.join(others, 100, (client, join) => `room-${(client + join) % ROOMS}`);
    // The server's remaining work for the opened connections and their other rooms must not count.
    await sleep(PAUSE_MS);
    const meter = new CpuMeter([pid]);
    const took = await crowd.join(1, connections, (client) => `room-${(client + others) % ROOMS}`);
    return meter.cpuUs / took.length;
  } finally {
    await crowd.cut();
  }
}
