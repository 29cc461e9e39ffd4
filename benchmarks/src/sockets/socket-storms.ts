import { CONTENDERS, contenderNamed } from "../contenders.js";
import { driveInProcess } from "../driver/driver-process.js";
import type { FigureContext, FigureSample, FigureScenario } from "../figures/figure-run.js";
import { type Scenario, SERVERS, scaled } from "../scenario.js";
import { toMeasurement } from "../scenario-measurement.js";
import { startServerProcess } from "../server-process.js";
import { ClientCrowd, quantile } from "./client-crowd.js";

const CONNECTIONS = 2_000;
const CONCURRENCY = 500;
const ROOM_MEMBERS = 20;

/** The load of the rooms that run beside the storms. */
const RUNNING: Scenario = {
  name: "running-rooms",
  ...{ rooms: 20, members: 20, rate: 1_000, bytes: 200 },
  contenders: [],
};

/** Connections that come, join, are cut and come back, beside running rooms. */
export const socketStormsScenario: FigureScenario = {
  name: "socket-storms",
  text: (scale) => {
    const { rooms, members, rate } = scaled(RUNNING, scale);
    return (
      `${connectionsAt(scale)} connections open at the same time, at most ${CONCURRENCY} of them in progress; then all join rooms of ` +
      `${ROOM_MEMBERS}; then all are cut at once, come back, and join again. Meanwhile ${rooms} rooms of ` +
      `${members} run on the same two servers with ${rate} messages a second; the storms are part of the time that their p99 is from.`
    );
  },
  subjects: ["cm", "minimum", "ws", "socket.io", "socket.io-uws"],
  measure,
};

function connectionsAt(scale: number): number {
  return Math.max(ROOM_MEMBERS, Math.round(CONNECTIONS * scale));
}

async function measure(subject: string, context: FigureContext): Promise<FigureSample> {
  const { redis, repeat, scale, seconds, warmupSeconds } = context;
  const contender = contenderNamed(subject);
  const servers = await Promise.all(
    Array.from({ length: SERVERS }, (_, index) => startServerProcess(CONTENDERS[contender], index, redis.url)),
  );
  const urls = servers.map(({ url }) => url);
  const crowd = new ClientCrowd(CONTENDERS[contender].protocol, urls, "storm-");
  try {
    const scenario = scaled(RUNNING, scale);
    const driving = driveInProcess({
      ...{ contender, urls, scenario, warmupSeconds, seconds, seed: repeat },
      serverPids: servers.map(({ pid }) => pid),
      redisPids: [redis.pid],
      otherPids: [process.pid],
    });
    await driving.steady;
    const connections = connectionsAt(scale);
    const [connect, join] = [await openAll(crowd, connections), await joinAll(crowd)];
    const from = performance.now();
    await crowd.cut();
    const [reconnect, rejoin] = [await openAll(crowd, connections), await joinAll(crowd)];
    const backMs = performance.now() - from;
    const running = toMeasurement(contender, { scenario, repeat }, await driving.result);
    return {
      valid: running.valid && connect.count + reconnect.count === 2 * connections,
      otherCores: running.otherCores,
      figures: {
        "connect: all of it, ms": connect.wallMs,
        "connect: p99, ms": connect.p99Ms,
        "join: all of it, ms": join.wallMs,
        "join: p99, ms": join.p99Ms,
        "reconnect and rejoin: all of it, ms": backMs,
        "rejoin: p99, ms": rejoin.p99Ms,
        "p50 of the running rooms, ms": running.p50Ms,
        "p99 of the running rooms, ms": running.p99Ms,
      },
    };
  } finally {
    await crowd.cut();
    await Promise.all(servers.map((server) => server.stop()));
  }
}

async function openAll(crowd: ClientCrowd, connections: number) {
  return storm(() => crowd.open(connections, CONCURRENCY));
}

async function joinAll(crowd: ClientCrowd) {
  return storm(() => crowd.join(1, CONCURRENCY, (client) => `storm-${Math.trunc(client / ROOM_MEMBERS)}`));
}

async function storm(run: () => Promise<number[]>) {
  const from = performance.now();
  const took = await run();
  return { count: took.length, wallMs: performance.now() - from, p99Ms: quantile(took, 0.99) };
}
