import { runLoad } from "@cm/load";
import type { RedisServer } from "@cm/test-kit";
import { CONTENDERS } from "../contenders.js";
import { type ServerProcess, startServerProcess } from "../server-process.js";

/** The work of `gateways` gateways for the same messages, measured in counts, not in times. */
export interface ScaleOutResult {
  readonly gateways: number;
  readonly rooms: number;
  /** Number of members of each room, spread over as many gateways as possible, which is the worst case. */
  readonly members: number;
  readonly published: number;
  /** Number of messages that arrived over the bus at the gateway that received the most. */
  readonly receivedMost: number;
  /** Number of messages that arrived over the bus at all gateways together. */
  readonly receivedAll: number;
  /** Number of messages received by the clients of all gateways. */
  readonly delivered: number;
  /** Whether nothing was lost or duplicated. */
  readonly valid: boolean;
}

const ROOMS = 200;
const MEMBERS = 2;
const RATE = 500;
const SECONDS = 4;

/** Gives one, two, four and eight gateways the same load in small rooms, and counts the messages that each receives. */
export async function measureScaleOut(redis: RedisServer): Promise<ScaleOutResult[]> {
  const results: ScaleOutResult[] = [];
  for (const gateways of [1, 2, 4, 8]) results.push(await measureWith(redis, gateways));
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

/** Number of messages that a gateway received over the bus, from its counters. */
async function receivedBy(wsUrl: string): Promise<number> {
  const answer = await fetch(new URL("/stats", wsUrl.replace(/^ws/, "http")));
  const stats: unknown = await answer.json();
  if (typeof stats === "object" && stats !== null && "received" in stats && typeof stats.received === "number") {
    return stats.received;
  }
  throw new Error(`${wsUrl} does not say what it received.`);
}
