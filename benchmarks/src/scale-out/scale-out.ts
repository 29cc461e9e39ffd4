import { runLoad } from "@cm/load";
import type { RedisServer } from "@cm/test-kit";
import { CONTENDERS } from "../contender.js";
import { type ServerProcess, startServerProcess } from "../server-process.js";

/** The work of each of `gateways` gateways with the same messages. Counts, no times. */
export interface ScaleOutResult {
  readonly gateways: number;
  readonly rooms: number;
  /** Members of each room, as far apart as they can be: the worst case. */
  readonly members: number;
  readonly published: number;
  /** Messages that came over the bus to the gateway that got the most. */
  readonly receivedMost: number;
  /** The same, of all gateways together. */
  readonly receivedAll: number;
  /** Frames that clients of all gateways got. */
  readonly delivered: number;
  /** Nothing lost, nothing doubled. */
  readonly valid: boolean;
}

const ROOMS = 200;
const MEMBERS = 2;
const RATE = 500;
const SECONDS = 4;

/** Gives one, two and four gateways the same load in small rooms, and counts what each gets of it. */
export async function measureScaleOut(redis: RedisServer): Promise<ScaleOutResult[]> {
  const results: ScaleOutResult[] = [];
  for (const gateways of [1, 2, 4]) results.push(await measureWith(redis, gateways));
  return results;
}

async function measureWith(redis: RedisServer, gateways: number): Promise<ScaleOutResult> {
  const servers: ServerProcess[] = [];
  try {
    for (let index = 0; index < gateways; index++) {
      servers.push(await startServerProcess(CONTENDERS.cm, index, redis.url));
    }
    const urls = servers.map(({ url }) => url);
    const load = { urls, rooms: ROOMS, members: MEMBERS, rate: RATE, seconds: SECONDS, seed: 1 };
    const { published, findings, ok } = await runLoad(load);
    const received = await Promise.all(urls.map(receivedBy));
    return {
      gateways,
      rooms: ROOMS,
      members: MEMBERS,
      published,
      receivedMost: Math.max(...received),
      receivedAll: received.reduce((sum, count) => sum + count, 0),
      delivered: findings.delivered,
      valid: ok,
    };
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}

/** Messages that a gateway got over the bus, as it counts them. */
async function receivedBy(wsUrl: string): Promise<number> {
  const answer = await fetch(new URL("/stats", wsUrl.replace(/^ws/, "http")));
  const stats: unknown = await answer.json();
  if (typeof stats === "object" && stats !== null && "received" in stats && typeof stats.received === "number") {
    return stats.received;
  }
  throw new Error(`${wsUrl} does not say what it received.`);
}
