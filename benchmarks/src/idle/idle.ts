import { setTimeout as sleep } from "node:timers/promises";
import { CONTENDERS, contenderNamed } from "../contenders.js";
import { CpuMeter } from "../figures/cpu-meter.js";
import type { FigureContext, FigureSample, FigureScenario, Figures } from "../figures/figure-run.js";
import { MachineWatch } from "../figures/machine-watch.js";
import { ClientCrowd } from "../sockets/client-crowd.js";
import { grownBytes } from "./heap-breakdown.js";
import { type ServerMemory, startMeasuredServer } from "./measured-server.js";

const CONNECTIONS = 10_000;
const CONCURRENCY = 200;

/** Number of rooms of its own that each connection joins, and of shared rooms that it joins afterwards. */
const ROOMS = 5;

/** Number of members of a shared room. */
const SHARED_MEMBERS = 100;

/**
 * Number of connections that open and join rooms before anything is measured, so that code is compiled and tables
 * are allocated. They stay open, because the measured connections would reuse the memory of closed ones.
 */
const WARM_UP_CONNECTIONS = 1_000;

/** Time for the work that follows connects and joins, such as writes to the store, in milliseconds. */
const PAUSE_MS = 1_000;

/** Titles of the figures that have goals, or are parts of others. */
export const CONNECTION_BYTES = "bytes a connection";
export const LIVE_CONNECTION_BYTES = "live bytes a connection";
export const OWN_ROOM_BYTES = "live bytes a membership in a room of its own";
export const SHARED_ROOM_BYTES = "live bytes a membership in a shared room";

/** Measures the memory and processor time of connections that do nothing. */
export const idleScenario: FigureScenario = {
  name: "idle",
  text: (scale) =>
    `${connectionsAt(scale)} connections of as many users to one server. Bytes are those of the server's resident set without files and ` +
    "without the free part of its JavaScript heap, and live bytes those of JavaScript objects and their buffers alone, both after a garbage " +
    `collection. Then each connection joins ${ROOMS} rooms of its own, and then ${ROOMS} rooms of ${SHARED_MEMBERS}. The floor is bare uWebSockets.js.`,
  subjects: ["cm", "floor", "minimum", "ws", "socket.io", "socket.io-uws"],
  measure,
};

function connectionsAt(scale: number): number {
  return Math.max(SHARED_MEMBERS, Math.round(CONNECTIONS * scale));
}

/** Number of parts of a figure that are kept. */
const PARTS = 6;

async function measure(subject: string, context: FigureContext): Promise<FigureSample> {
  const sample = await measureMemory(subject, context);
  // The objects are the same in each turn.
  if (subject !== "cm" || context.repeat > 1) return sample;
  return { ...sample, details: await measureObjects(context) };
}

/**
 * Finds the objects of the gateway that hold the memory, with heap snapshots of a second server: taking one changes the
 * memory of the process.
 */
async function measureObjects({ redis, scale }: FigureContext): Promise<Readonly<Record<string, Figures>>> {
  const contender = CONTENDERS.cm;
  const server = await startMeasuredServer(contender, redis.url, { snapshots: true });
  const warm = new ClientCrowd(contender.protocol, [server.url], "warm-");
  const crowd = new ClientCrowd(contender.protocol, [server.url], "objects-");
  const connections = connectionsAt(scale);
  try {
    await warmUp(warm);
    const before = await server.objects();
    await crowd.open(connections, CONCURRENCY);
    await sleep(PAUSE_MS);
    const open = await server.objects();
    await joinOwnRooms(crowd);
    const own = await server.objects();
    await joinSharedRooms(crowd, connections);
    const shared = await server.objects();
    return {
      [CONNECTION_BYTES]: grownBytes(before, open, connections, PARTS),
      [OWN_ROOM_BYTES]: grownBytes(open, own, connections * ROOMS, PARTS),
      [SHARED_ROOM_BYTES]: grownBytes(own, shared, connections * ROOMS, PARTS),
    };
  } finally {
    await Promise.all([warm.cut(), crowd.cut()]);
    await server.stop();
  }
}

async function warmUp(warm: ClientCrowd): Promise<void> {
  await warm.open(WARM_UP_CONNECTIONS, CONCURRENCY);
  await warm.join(1, CONCURRENCY, (client) => `warm-${client}`);
  await warm.join(1, CONCURRENCY, (client) => `warm-shared-${client % 10}`);
  await sleep(PAUSE_MS);
}

async function joinOwnRooms(crowd: ClientCrowd): Promise<void> {
  await crowd.join(ROOMS, CONCURRENCY, (client, join) => `own-${client}-${join}`);
  await sleep(PAUSE_MS);
}

async function joinSharedRooms(crowd: ClientCrowd, connections: number): Promise<void> {
  const sharedRooms = Math.ceil(connections / SHARED_MEMBERS);
  await crowd.join(ROOMS, CONCURRENCY, (client, join) => `shared-${join}-${client % sharedRooms}`);
  await sleep(PAUSE_MS);
}

async function measureMemory(subject: string, { redis, scale, seconds }: FigureContext): Promise<FigureSample> {
  const contender = CONTENDERS[contenderNamed(subject)];
  const server = await startMeasuredServer(contender, redis.url);
  const warm = new ClientCrowd(contender.protocol, [server.url], "warm-");
  const crowd = new ClientCrowd(contender.protocol, [server.url], "idle-");
  try {
    await warmUp(warm);
    const connections = connectionsAt(scale);
    const before = await server.memory();
    await crowd.open(connections, CONCURRENCY);
    await sleep(PAUSE_MS);
    const open = await server.memory();
    const watch = new MachineWatch([server.pid, redis.pid]);
    const meter = new CpuMeter([server.pid]);
    await sleep(seconds * 1_000);
    const idleCores = meter.cpuUs / 1_000 / meter.elapsedMs;
    const otherCores = watch.otherCores();
    await joinOwnRooms(crowd);
    const own = await server.memory();
    await joinSharedRooms(crowd, connections);
    const shared = await server.memory();
    const resident = (from: ServerMemory, to: ServerMemory) => to.residentBytes - from.residentBytes;
    const live = (from: ServerMemory, to: ServerMemory) => to.liveBytes - from.liveBytes;
    return {
      valid: crowd.size === connections,
      otherCores,
      figures: {
        [CONNECTION_BYTES]: resident(before, open) / connections,
        [LIVE_CONNECTION_BYTES]: live(before, open) / connections,
        "bytes a membership in a room of its own": resident(open, own) / (connections * ROOMS),
        [OWN_ROOM_BYTES]: live(open, own) / (connections * ROOMS),
        "bytes a membership in a shared room": resident(own, shared) / (connections * ROOMS),
        [SHARED_ROOM_BYTES]: live(own, shared) / (connections * ROOMS),
        "server CPU of all idle connections, us a second": idleCores * 1e6,
      },
    };
  } finally {
    await Promise.all([warm.cut(), crowd.cut()]);
    await server.stop();
  }
}
