import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { connectionName, PresenceRecord, userName } from "@cm/gateway-kit/invariants/presence-record";
import { type GatewayProcess, startGatewayProcess } from "@cm/gateway-kit/processes/gateway-process";
import { createNode, type Node } from "@cm/node";
import {
  eventually,
  type FaultProxy,
  freshPrefix,
  type RedisCluster,
  type RedisServer,
  RespConnection,
  startFaultProxy,
  startRedis,
  startRedisCluster,
  startRedisSentinel,
} from "@cm/test-kit";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";

const SERVERS = 50;

/** Number of servers that start concurrently. */
const TOGETHER = 5;

/**
 * Duration of an outage: longer than the 5,000 ms without a sign of life after which a server may be presumed
 * dead.
 */
const OUTAGE_MS = 7_000;

/**
 * Maximum time until a dead server is detected: another server must have been in sync for 10 s, and the dead
 * one without a sign of life for 5 s; the rest is for a busy machine.
 */
const FOUND_WITHIN_MS = 60_000;

/** Maximum time until all servers have started. */
const START_MAX_MS = 180_000;

const NOWHERE = { toRoom: () => undefined, toConnection: () => false, toUser: () => 0 };

/** Waits for the duration of a fault, which is part of the test, so no condition can replace it. */
const lasting = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Fifty servers with one user each and default intervals, and the servers that they reported as lost. */
class Fleet {
  readonly #url: string;
  readonly #prefix = freshPrefix();
  readonly #nodes: Node[] = [];
  readonly #lost = new Set<string>();
  readonly #killed = new Set<string>();

  private constructor(url: string) {
    this.#url = url;
  }

  /** Starts the servers. `urlOf` returns the Redis URL of the server with an index; `url` by default. */
  static async start(url: string, urlOf: (index: number) => string = () => url): Promise<Fleet> {
    const fleet = new Fleet(url);
    try {
      // Start a few at a time: all of them in one process would delay each other beyond their deadlines.
      for (let from = 0; from < SERVERS; from += TOGETHER) {
        const indices = Array.from({ length: TOGETHER }, (_, offset) => from + offset);
        await Promise.all(
          indices.map((index) => eventually(() => fleet.#startNode(index, urlOf(index)), { timeoutMs: 30_000 })),
        );
      }
    } catch (error) {
      await fleet.close();
      throw error;
    }
    return fleet;
  }

  async close(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.close()));
  }

  async untilReady(): Promise<void> {
    await eventually(
      () => expect(this.#nodes.map((node) => node.readiness()).filter(({ ready }) => !ready)).toEqual([]),
      { timeoutMs: 30_000 },
    );
  }

  /**
   * Expects that a fault of Redis or of the network lets no server be presumed dead, and that afterwards a killed
   * gateway is detected, and cleaned up after by exactly one server.
   */
  async expectOnlyTheKilledIsUnregistered(fault: () => Promise<unknown>, gatewayUrl = this.#url): Promise<void> {
    const reapedBefore = this.#reaped();
    const victim = await this.#startVictim(gatewayUrl);
    const users = [...this.#nodes.map((_, index) => `user-${index}`), victim.user];
    const place = { redisUrl: this.#url, prefix: this.#prefix };
    const record = await PresenceRecord.open(place, { users, rooms: ["lobby"] }, 15_000);
    onTestFinished(() => record.close());

    await fault();
    await this.untilReady();
    await eventually(async () => expect((await fetch(`${victim.gateway.url}/readyz`)).status).toBe(200));
    const stats: unknown = await (await fetch(`${victim.gateway.url}/stats`)).json();
    expect(stats).toMatchObject({ reapedServers: 0 });
    await victim.gateway.kill();
    this.#killed.add(victim.user);

    // A server that reports the victim has judged all servers. Gateways killed earlier are still in the set.
    await eventually(() => expect(this.#lost).toContain(victim.user), { timeoutMs: FOUND_WITHIN_MS });
    await eventually(() => {
      const gone = [...record.announced].flatMap(([name, kinds]) => {
        const departures = kinds.filter((kind) => kind === "offline" || kind === "left");
        return departures.length > 0 ? [[name, departures]] : [];
      });
      expect(Object.fromEntries(gone)).toEqual({
        [userName(victim.user)]: ["offline"],
        [connectionName(victim.connectionId)]: ["left"],
      });
    });
    const own = [connectionName(victim.connectionId), userName(victim.user)];
    expect([...record.shownGone].filter((name) => !own.includes(name))).toEqual([]);
    await eventually(() => expect(this.#reaped() - reapedBefore).toBe(1));
    expect([...this.#lost].filter((serverId) => !this.#killed.has(serverId))).toEqual([]);
  }

  async #startNode(index: number, redisUrl: string): Promise<void> {
    const node = createNode({
      redisUrl,
      prefix: this.#prefix,
      serverId: `s${index}`,
      local: NOWHERE,
      onServersLost: (serverIds) => {
        for (const serverId of serverIds) this.#lost.add(serverId);
      },
      // Ignore errors, which are expected while Redis is unavailable.
      onError: () => undefined,
    });
    try {
      await node.start();
      const connectionId = node.membership.nextConnectionId();
      await node.membership.open({ connectionId, userId: `user-${index}` });
      await node.membership.join(connectionId, "lobby");
    } catch (error) {
      await node.close();
      throw error;
    }
    this.#nodes.push(node);
  }

  async #startVictim(redisUrl: string): Promise<{
    readonly gateway: GatewayProcess;
    readonly user: string;
    readonly connectionId: string;
  }> {
    const user = `victim-${this.#killed.size}`;
    const gateway = await startGatewayProcess({
      env: { REDIS_URL: redisUrl, REDIS_PREFIX: this.#prefix, SERVER_ID: user },
    });
    onTestFinished(() => gateway.kill());
    const socket = await CmSocket.open(gateway.wsUrl, user);
    await socket.do({ type: "join", room: "lobby" });
    return { gateway, user, connectionId: socket.id };
  }

  #reaped(): number {
    return this.#nodes.reduce((sum, { membership }) => sum + membership.stats().reapedServers, 0);
  }
}

describe("fifty servers on one Redis", () => {
  let redis: RedisServer;
  let proxies: readonly FaultProxy[];
  let fleet: Fleet;

  beforeAll(async () => {
    redis = await startRedis({ durable: true });
    proxies = await Promise.all([startFaultProxy(redis.port), startFaultProxy(redis.port)]);
    fleet = await Fleet.start(redis.url, (index) => `redis://127.0.0.1:${proxies[index % 2]?.port}`);
  }, START_MAX_MS);

  afterAll(async () => {
    await fleet?.close();
    await Promise.all(proxies.map((proxy) => proxy.close()));
    await redis?.close();
  });

  /** Opens a connection to Redis that waits for replies. */
  const open = async (): Promise<RespConnection> => {
    const connection = await RespConnection.open(redis.port);
    onTestFinished(() => connection.close());
    return connection;
  };

  it("cost it one sign of life and one probe a second each, and ask about no server that is not silent", async () => {
    const watching = await open();
    const seen: string[] = [];
    watching.onUnasked((line) => seen.push(String(line)));
    await watching.command("MONITOR");
    // MONITOR also shows commands of scripts, which no server sent.
    const sent = (what: RegExp) => seen.filter((line) => !line.includes(" lua] ") && what.test(line)).length;
    const probes = () => sent(/"publish" "[^"]*:probe:/i);
    await eventually(() => expect(probes()).toBeGreaterThan(5 * SERVERS), { timeoutMs: 20_000 });
    const [first = Number.NaN, last = Number.NaN] = [seen[0], seen.at(-1)].map((line) => Number.parseFloat(line ?? ""));
    // Add one: a server's first and last signal may both fall just within this period.
    const onceASecond = SERVERS * (last - first + 1);
    expect(probes()).toBeLessThanOrEqual(onceASecond);
    const signs = sent(/"evalsha" .*\{servers\}\.signs"/i);
    expect(signs).toBeGreaterThan(0);
    expect(signs).toBeLessThanOrEqual(onceASecond);
    expect(seen.filter((line) => /numsub/i.test(line))).toEqual([]);
  });

  const FAULTS: readonly (readonly [string, () => Promise<unknown>])[] = [
    ["nothing happens", async () => undefined],
    [
      "Redis restarts with what it held, after longer than a server may be silent",
      async () => {
        await redis.kill();
        await lasting(OUTAGE_MS);
        await redis.restart({ keepFiles: true });
      },
    ],
    [
      "the network between all of them and Redis is cut",
      async () => {
        await Promise.all(proxies.map((proxy) => proxy.set({ kind: "cut" })));
        await lasting(OUTAGE_MS);
        await Promise.all(proxies.map((proxy) => proxy.set({ kind: "pass" })));
      },
    ],
    [
      "the network between all of them and Redis swallows everything",
      async () => {
        await Promise.all(proxies.map((proxy) => proxy.set({ kind: "hang" })));
        await lasting(OUTAGE_MS);
        await Promise.all(proxies.map((proxy) => proxy.set({ kind: "pass" })));
      },
    ],
    ["Redis stands still in a command", async () => (await open()).command("DEBUG", "SLEEP", OUTAGE_MS / 1_000)],
    [
      "Redis pauses its clients",
      async () => {
        const connection = await open();
        await connection.command("CLIENT", "PAUSE", OUTAGE_MS, "ALL");
        await connection.command("PING");
      },
    ],
    [
      "the subscribers of half of them are replaced again and again, while the others look on",
      async () => {
        const connection = await open();
        const until = performance.now() + OUTAGE_MS;
        while (performance.now() < until) {
          const ports = new Set(proxies[0]?.links.map(({ serverSeesPort }) => serverSeesPort));
          const clients = String(await connection.command("CLIENT", "LIST", "TYPE", "PUBSUB"));
          for (const [, address = "", port] of clients.matchAll(/ addr=(127\.0\.0\.1:(\d+)) /g)) {
            if (!ports.has(Number(port))) continue;
            // The connection may already be closed.
            await connection.command("CLIENT", "KILL", "ADDR", address).catch(() => undefined);
          }
          await lasting(20);
        }
      },
    ],
  ];

  it.each(FAULTS)("only a killed one is taken for dead when %s", { timeout: 180_000 }, async (_, fault) => {
    await fleet.expectOnlyTheKilledIsUnregistered(fault, `redis://127.0.0.1:${proxies[1]?.port}`);
  });
});

it("only a killed one of fifty servers is taken for dead when a master behind Sentinels hangs", {
  timeout: 180_000,
}, async () => {
  const redis = await startRedisSentinel({ sentinels: 3, replicas: 1, downAfterMs: OUTAGE_MS });
  onTestFinished(() => redis.close());
  const fleet = await Fleet.start(redis.url);
  onTestFinished(() => fleet.close());
  await fleet.expectOnlyTheKilledIsUnregistered(async () => undefined);
  await fleet.expectOnlyTheKilledIsUnregistered(async () => {
    await redis.master.pause();
    await redis.untilFailedOver(redis.master);
  });
});

describe("fifty servers on a Cluster", () => {
  let redis: RedisCluster;
  let fleet: Fleet;

  beforeAll(async () => {
    redis = await startRedisCluster({ masters: 3, replicas: 1, nodeTimeoutMs: 5_000 });
    fleet = await Fleet.start(redis.url);
  }, START_MAX_MS);

  afterAll(async () => {
    await fleet?.close();
    await redis?.close();
  });

  const slotOf = async (key: string): Promise<number> => Number(await redis.nodes[1]?.ask("CLUSTER", "KEYSLOT", key));

  const FAULTS: readonly (readonly [string, () => Promise<unknown>])[] = [
    ["nothing happens", async () => undefined],
    [
      "the slots of the leases and of their own channels move",
      async () => {
        const tags = ["servers", ...Array.from({ length: SERVERS }, (_, index) => `s${index}`)];
        for (const tag of tags) {
          const slot = await slotOf(`{${tag}}`);
          const owner = await redis.ownerOf(slot);
          const masters = await Promise.all([0, 6_000, 16_383].map((each) => redis.ownerOf(each)));
          const target = masters.find((node) => node !== owner);
          if (target !== undefined) await redis.moveSlot(slot, target);
        }
        await redis.untilWhole();
      },
    ],
    [
      "the master that holds the leases is killed, and its replica takes over",
      async () => {
        const master = await redis.ownerOf(await slotOf("{servers}"));
        const [replica] = await redis.replicasOf(master);
        await master.kill();
        if (replica !== undefined) await redis.untilMaster(replica);
        await redis.untilWhole();
      },
    ],
  ];

  it.each(FAULTS)("only a killed one is taken for dead when %s", { timeout: 180_000 }, async (_, fault) => {
    await fleet.expectOnlyTheKilledIsUnregistered(fault);
  });
});
