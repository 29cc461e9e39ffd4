import { eventually } from "../eventually.js";
import { type RedisServer, startRedis, startServer } from "./redis-server.js";
import { askRedis } from "./resp-connection.js";

const MASTER_NAME = "cm-test";

/** A master and a replica, watched by Sentinels. */
export interface RedisSentinel {
  /** `redis+sentinel://127.0.0.1:<port>,.../0?master=<name>` */
  readonly url: string;
  readonly masterName: string;
  /** The Sentinels' ports. */
  readonly ports: readonly number[];
  readonly pids: readonly number[];
  /** The one that was the master at the start. */
  readonly master: RedisServer;
  /** The one that was the replica at the start. */
  readonly replica: RedisServer;
  readonly sentinels: readonly RedisServer[];
  /** Ends all of them. Idempotent. */
  close(): Promise<void>;
}

/** What {@link startRedisSentinel} takes. */
export interface StartRedisSentinelOptions {
  /** Number of Sentinels, 1 to 3. Default 1; two of three decide a failover. */
  readonly sentinels?: number;
  /** Silence after which the master counts as down, in milliseconds. Default 1,000. */
  readonly downAfterMs?: number;
}

/** Starts all processes; resolves when the Sentinels know the replica and each other. */
export async function startRedisSentinel(options: StartRedisSentinelOptions = {}): Promise<RedisSentinel> {
  const count = options.sentinels ?? 1;
  const started: RedisServer[] = [];
  const keep = (server: RedisServer): RedisServer => {
    started.push(server);
    return server;
  };
  const close = async (): Promise<void> => {
    await Promise.all(started.map((server) => server.close()));
  };
  try {
    const master = keep(await startRedis());
    const replica = keep(await startRedis({ args: ["--replicaof", "127.0.0.1", String(master.port)] }));
    const sentinels: RedisServer[] = [];
    for (let i = 0; i < count; i++) sentinels.push(keep(await startServer(() => [], true)));
    for (const sentinel of sentinels) await watch(sentinel.port, master.port, count, options.downAfterMs ?? 1_000);
    await eventually(
      async () => {
        for (const sentinel of sentinels) await expectComplete(sentinel.port, count);
      },
      { timeoutMs: 30_000 },
    );
    const ports = sentinels.map((sentinel) => sentinel.port);
    return {
      url: `redis+sentinel://${ports.map((port) => `127.0.0.1:${port}`).join(",")}/0?master=${MASTER_NAME}`,
      masterName: MASTER_NAME,
      ports,
      get pids() {
        return started.map((server) => server.pid);
      },
      master,
      replica,
      sentinels,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function watch(port: number, masterPort: number, count: number, downAfterMs: number): Promise<void> {
  const quorum = Math.floor(count / 2) + 1;
  await askRedis(port, "SENTINEL", "MONITOR", MASTER_NAME, "127.0.0.1", masterPort, quorum);
  await askRedis(port, "SENTINEL", "SET", MASTER_NAME, "down-after-milliseconds", downAfterMs);
  await askRedis(port, "SENTINEL", "SET", MASTER_NAME, "failover-timeout", 5_000);
}

async function expectComplete(port: number, count: number): Promise<void> {
  const replicas = await askRedis(port, "SENTINEL", "REPLICAS", MASTER_NAME);
  const others = await askRedis(port, "SENTINEL", "SENTINELS", MASTER_NAME);
  const healthy =
    Array.isArray(replicas) &&
    replicas.length === 1 &&
    Array.isArray(replicas[0]) &&
    replicas[0].includes("ok") &&
    Array.isArray(others) &&
    others.length === count - 1;
  if (!healthy) throw new Error(`The Sentinel on port ${port} does not know everybody yet.`);
}
