import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import type { GatewayCluster } from "@cm/gateway-kit/processes/cluster";
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

/** The Redis that the gateways stand on. */
export type ChaosRedis =
  | { readonly topology: "single"; readonly redis: RedisServer }
  | { readonly topology: "sentinel"; readonly redis: RedisSentinel }
  | { readonly topology: "cluster"; readonly redis: RedisCluster };

export type Topology = ChaosRedis["topology"];

/** Heartbeat and lease of every gateway. */
export const HEARTBEAT_MS = 1_000;
export const LEASE_MS = 3_000;

/** How long the leases of the gateways of a world are. */
export type Leases = "short" | "default";

/** What the names of rooms that are recoverable begin with. */
export const RECOVERABLE_PREFIX = "kept-";

/** Gateways that come and go on one Redis, each behind a proxy where that is possible. */
export class ChaosWorld implements GatewayCluster {
  readonly prefix = freshPrefix();
  readonly store: ChaosRedis;
  readonly gateways: GatewayProcess[] = [];
  /** Between each gateway and a single Redis; none elsewhere. */
  readonly proxies: FaultProxy[] = [];
  readonly #leases: Leases;
  #started = 0;
  #starting: Promise<void> = Promise.resolve();
  #failingOver: Promise<void> = Promise.resolve();

  private constructor(store: ChaosRedis, leases: Leases) {
    this.store = store;
    this.#leases = leases;
  }

  static async start(topology: Topology, size: number, leases: Leases = "short"): Promise<ChaosWorld> {
    const world = new ChaosWorld(await startStore(topology), leases);
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

  /** Starts a gateway in the place of number `index`, under a server id of its own, unless one runs there. */
  replace(index: number, options: { readonly logTo?: string } = {}): Promise<void> {
    const starting = this.#starting.then(async () => {
      if (this.gateways[index]?.running !== true) await this.#start(index, options);
    });
    this.#starting = starting.catch(() => undefined);
    return starting;
  }

  /** Has one thing at a time done to which of the nodes is a master: two could leave none. */
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
          ...(this.#leases === "short" && {
            HEARTBEAT_INTERVAL_MS: String(HEARTBEAT_MS),
            HEARTBEAT_TTL_SECONDS: String(LEASE_MS / 1_000),
          }),
          SHUTDOWN_TIMEOUT_MS: "5000",
          // Writes that a promoted replica lacked are found within this time.
          CLEANUP_INTERVAL_MS: "5000",
          MAX_REQUESTS_PER_SECOND: "1000",
          RECOVERABLE_ROOMS: RECOVERABLE_PREFIX,
        },
      });
    // It ends where the store does not let it begin, and whatever watches over it starts it again.
    this.gateways[index] = await eventually(start, { timeoutMs: 20_000, intervalMs: 500 });
  }

  gateway(index: number): GatewayProcess {
    const found = this.gateways[index];
    if (found === undefined) throw new RangeError(`There is no gateway ${index}.`);
    return found;
  }

  connect(index: number, user: string): Promise<CmSocket> {
    return CmSocket.open(this.gateway(index).wsUrl, user);
  }

  keys(): Promise<string[]> {
    return keysLeftUnder(this.redisUrl, this.prefix);
  }

  async stats(index: number): Promise<Record<string, number>> {
    const answer = await fetch(`${this.gateway(index).url}/stats`, { signal: AbortSignal.timeout(2_000) });
    return (await answer.json()) as Record<string, number>; // The gateway's own reply.
  }

  /** What each gateway that is not ready says; empty where all are. */
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

  /** Ends the gateways cleanly; what they did not end in time is killed. */
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
