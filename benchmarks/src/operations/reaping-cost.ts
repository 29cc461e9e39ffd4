import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { createMembership } from "@cm/membership";
import { CmError, createConnectionIdSource, type OnError, type Store } from "@cm/protocol";
import { createRedisStore } from "@cm/redis-store";
import { askRedis, eventually, RespConnection, startRedis } from "@cm/test-kit";
import { isScriptCall, readCommandUses, sumOfUses, usesPerOperation } from "./command-uses.js";
import { fillRedis } from "./filled-redis.js";
import { longestCommand } from "./slow-log.js";

/** The cost of cleaning up after a server that died with all its connections. */
export interface ReapingCost {
  readonly connections: number;
  readonly rooms: number;
  /** Time from the start of the surviving server's membership until it has cleaned up, in milliseconds. */
  readonly totalMs: number;
  /**
   * Duration of the longest single command during the cleanup, including scripts, from Redis's slow log; the log's
   * threshold if no command was slower.
   */
  readonly longestCommandMs: number;
  /** The longest command; older results lack it, and so do results whose slow log is empty. */
  readonly longestCommand?: string;
  /** Time that Redis spent in scripts during the cleanup, in milliseconds; older results lack it. */
  readonly scriptsMs?: number;
  /**
   * The longest time that a command of another client waited for its reply during the cleanup, and the 99th
   * percentile of these times.
   */
  readonly pingLongestMs: number;
  readonly pingP99Ms: number;
}

const CONNECTIONS = 100_000;
const ROOM_MEMBERS = 10;
const PING_EVERY_MS = 5;
const SLOWLOG_FROM_US = 500;

/** Fills a fresh Redis as one server, lets that server die, and has another one clean up. */
export async function measureReaping(): Promise<ReapingCost> {
  const redis = await startRedis();
  const onError: OnError = (error) => console.error(error);
  const store = createRedisStore({ url: redis.url, onError });
  const pinger = await RespConnection.open(redis.port);
  try {
    await store.start();
    await leaveDead(store);
    await askRedis(redis.port, "CONFIG", "SET", "slowlog-log-slower-than", SLOWLOG_FROM_US);
    await askRedis(redis.port, "CONFIG", "SET", "slowlog-max-len", 10_000);
    await askRedis(redis.port, "SLOWLOG", "RESET");
    const pings = startPings(pinger);
    const usesBefore = await readCommandUses(redis.port);
    const from = performance.now();
    const membership = createMembership({
      ids: createConnectionIdSource({ serverId: "survivor" }),
      store,
      interest: { enter: async () => undefined, exit: () => undefined },
      heartbeatIntervalMs: 100,
      onError,
    });
    await membership.start();
    try {
      await eventually(
        () => {
          if (membership.stats().reapedServers === 0) throw new Error("It is not done.");
        },
        { timeoutMs: 300_000, intervalMs: 10 },
      );
      const totalMs = performance.now() - from;
      const durations = await pings.stop();
      const uses = usesPerOperation(usesBefore, await readCommandUses(redis.port), 1);
      const longest = await longestCommand(await askRedis(redis.port, "SLOWLOG", "GET", -1));
      if ((await store.counts.of("connections")) !== 0) throw new CmError("internal", "Something was left.");
      return {
        connections: CONNECTIONS,
        rooms: CONNECTIONS / ROOM_MEMBERS,
        totalMs,
        longestCommandMs: longest?.ms ?? SLOWLOG_FROM_US / 1_000,
        ...(longest === undefined ? {} : { longestCommand: longest.text }),
        scriptsMs: sumOfUses(uses, isScriptCall).us / 1_000,
        pingLongestMs: durations.at(-1) ?? Number.NaN,
        pingP99Ms: durations[Math.floor(durations.length * 0.99)] ?? Number.NaN,
      };
    } finally {
      await membership.shutdown();
    }
  } finally {
    pinger.close();
    await store.close();
    await redis.close();
  }
}

async function leaveDead(store: Store): Promise<void> {
  const ids = createConnectionIdSource({ serverId: "dead", capacity: CONNECTIONS });
  const { serverId, incarnation, partitionBits } = ids;
  const registration = { serverId, incarnation, partitionBits, host: "10.0.0.1", port: 3000 };
  const lease = await store.servers.acquire(registration, 600_000);
  await fillRedis(store, [{ ids, lease }], {
    servers: 1,
    connectionsPerServer: CONNECTIONS,
    roomMembers: ROOM_MEMBERS,
  });
  // Let the lease expire soon: the same incarnation acquires it again with a very short TTL.
  await store.servers.acquire(registration, 200);
  await sleep(300);
}

/**
 * Repeats `PING` as another client, to measure how long clients wait for replies. `stop` resolves with the
 * durations in milliseconds, in ascending order.
 */
function startPings(pinger: RespConnection): { stop(): Promise<number[]> } {
  const durations: number[] = [];
  let isRunning = true;
  const running = (async () => {
    while (isRunning) {
      const from = performance.now();
      await pinger.command("PING");
      durations.push(performance.now() - from);
      await sleep(PING_EVERY_MS);
    }
  })();
  return {
    async stop() {
      isRunning = false;
      await running;
      return durations.sort((left, right) => left - right);
    },
  };
}
