import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import type { GatewayCluster } from "@cm/gateway-kit/processes/gateway-cluster";
import { type GatewayProcess, startGatewayProcess } from "@cm/gateway-kit/processes/gateway-process";
import {
  eventually,
  type FaultProxy,
  freePort,
  freshPrefix,
  keysLeftUnder,
  type RedisCluster,
  type RedisSentinel,
  type RedisServer,
  startFaultProxy,
  startRedis,
  startRedisCluster,
  startRedisSentinel,
} from "@cm/test-kit";

/** The Redis deployment of the gateways. */
export type ChaosRedis =
  | { readonly topology: "single"; readonly redis: RedisServer }
  | { readonly topology: "sentinel"; readonly redis: RedisSentinel }
  | { readonly topology: "cluster"; readonly redis: RedisCluster };

export type Topology = ChaosRedis["topology"];

/** Heartbeat interval and lease TTL of every gateway that has `short` leases. */
export const HEARTBEAT_MS = 1_000;
export const LEASE_MS = 3_000;

/** Maximum time until a process starts or a node is a replica again, on a machine with other work. */
export const ENVIRONMENT_MS = 60_000;

/** The lease TTL of the gateways: short for tests, or the default. */
export type Leases = "short" | "default";

/** Options of {@link ChaosWorld.start}. */
export interface ChaosWorldOptions {
  /** Default: `short`. */
  readonly leases?: Leases;
  /** `ROOM_WINDOW_MS` of the gateways. Default: `auto`. */
  readonly roomWindow?: string;
}

/** Prefix of the names of recoverable rooms. */
export const RECOVERABLE_PREFIX = "kept-";

/**
 * Gateways on one Redis deployment that are stopped and replaced. With a single Redis, each is behind its own
 * proxy.
 */
export class ChaosWorld implements GatewayCluster {
  readonly prefix = freshPrefix();
  readonly store: ChaosRedis;
  readonly gateways: GatewayProcess[] = [];
  /** The proxy between each gateway and a single Redis; empty for other topologies. */
  readonly proxies: FaultProxy[] = [];
  readonly #options: ChaosWorldOptions;
  #started = 0;
  #starting: Promise<void> = Promise.resolve();
  #failingOver: Promise<void> = Promise.resolve();

  private constructor(store: ChaosRedis, options: ChaosWorldOptions) {
    this.store = store;
    this.#options = options;
  }

  static async start(topology: Topology, size: number, options: ChaosWorldOptions = {}): Promise<ChaosWorld> {
    const world = new ChaosWorld(await startStore(topology), options);
    try {
      for (let index = 0; index < size; index++) {
        if (world.store.topology === "single") world.proxies.push(await startFaultProxy(world.store.redis.port));
        await world.replace(index);
      }
      return world;
    } catch (error) {
      await world.close();
      throw error;
    }
  }

  get redisUrl(): string {
    return this.store.redis.url;
  }

  get wsUrls(): readonly string[] {
    return this.gateways.map(({ wsUrl }) => wsUrl);
  }

  /** Starts a gateway as number `index` with a new server id, unless one is running there. */
  replace(index: number, options: { readonly logTo?: string } = {}): Promise<void> {
    const starting = this.#starting.then(async () => {
      if (this.gateways[index]?.running !== true) await this.#start(index, options);
    });
    this.#starting = starting.catch(() => undefined);
    return starting;
  }

  /** Runs one change of masters at a time, because two concurrent ones could leave no master. */
  failOver(work: () => Promise<void>): Promise<void> {
    const done = this.#failingOver.then(work);
    this.#failingOver = done.catch(() => undefined);
    return done;
  }

  async #start(index: number, options: { readonly logTo?: string }): Promise<void> {
    const proxy = this.proxies[index];
    const port = options.logTo === undefined ? "0" : String(await freePort());
    const start = (): Promise<GatewayProcess> =>
      startGatewayProcess({
        ...options,
        env: {
          PORT: port,
          REDIS_URL: proxy === undefined ? this.redisUrl : `redis://127.0.0.1:${proxy.port}`,
          REDIS_PREFIX: this.prefix,
          SERVER_ID: `gw${index + 1}-${++this.#started}`,
          ...(this.#options.leases !== "default" && {
            HEARTBEAT_INTERVAL_MS: String(HEARTBEAT_MS),
            HEARTBEAT_TTL_SECONDS: String(LEASE_MS / 1_000),
          }),
          SHUTDOWN_TIMEOUT_MS: "5000",
          // Writes that a promoted replica lacked are found within this time.
          CLEANUP_INTERVAL_MS: "5000",
          MAX_REQUESTS_PER_SECOND: "1000",
          RECOVERABLE_ROOMS: RECOVERABLE_PREFIX,
          ROOM_WINDOW_MS: this.#options.roomWindow ?? "auto",
        },
      });
    // A gateway ends if the store does not let it start. Start it again, as a process supervisor would.
    this.gateways[index] = await eventually(start, { timeoutMs: ENVIRONMENT_MS, intervalMs: 500 });
  }

  gateway(index: number): GatewayProcess {
    const found = this.gateways[index];
    if (found === undefined) throw new RangeError(`There is no gateway ${index}.`);
    return found;
  }

  connect(index: number, user: string): Promise<CmSocket> {
    return CmSocket.open(this.gateway(index).wsUrl, user);
  }

  /** The nodes of Redis that are masters now. */
  async masters(): Promise<readonly RedisServer[]> {
    const { store } = this;
    switch (store.topology) {
      case "single":
        return [store.redis];
      case "sentinel":
        return [await store.redis.currentMaster()];
      case "cluster":
        return store.redis.masters();
    }
  }

  keys(): Promise<string[]> {
    return keysLeftUnder(this.redisUrl, this.prefix);
  }

  async stats(index: number): Promise<Record<string, number>> {
    const answer = await fetch(`${this.gateway(index).url}/stats`, { signal: AbortSignal.timeout(2_000) });
    return (await answer.json()) as Record<string, number>; // The gateway's own reply.
  }

  /** The responses of the gateways that are not ready; empty if all are. */
  async unready(): Promise<string[]> {
    const answers = await Promise.all(
      this.gateways.map(async ({ url, serverId }) => {
        try {
          const answer = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) });
          return answer.ok ? [] : [`${serverId}: ${await answer.text()}`];
        } catch (error) {
          return [`${serverId}: ${String(error)}`];
        }
      }),
    );
    return answers.flat();
  }

  /** Stops the gateways cleanly. Those that take too long are killed. */
  async stopGateways(): Promise<void> {
    await Promise.all(this.gateways.map((gateway) => gateway.running && gateway.stop()));
  }

  async close(): Promise<void> {
    await Promise.all(this.gateways.map((gateway) => gateway.kill()));
    await Promise.all(this.proxies.map((proxy) => proxy.close()));
    await this.store.redis.close();
  }
}

async function startStore(topology: Topology): Promise<ChaosRedis> {
  switch (topology) {
    case "single":
      return { topology, redis: await startRedis() };
    case "sentinel":
      return { topology, redis: await startRedisSentinel({ sentinels: 3, replicas: 2 }) };
    case "cluster":
      return { topology, redis: await startRedisCluster({ masters: 3, replicas: 1, nodeTimeoutMs: 1_000 }) };
  }
}
