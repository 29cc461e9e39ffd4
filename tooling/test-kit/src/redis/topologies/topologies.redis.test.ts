import { describe, expect, it, onTestFinished } from "vitest";
import {
  eventually,
  freshPrefix,
  keysUnder,
  type RedisCluster,
  type RedisServer,
  RespConnection,
  type StartRedisClusterOptions,
  startRedis,
  startRedisCluster,
  startRedisSentinel,
} from "../../index.js";

const CLUSTER: StartRedisClusterOptions = { masters: 3, replicas: 1, nodeTimeoutMs: 1_000 };

async function startCluster(options: StartRedisClusterOptions = {}): Promise<RedisCluster> {
  const cluster = await startRedisCluster({ ...CLUSTER, ...options });
  onTestFinished(() => cluster.close());
  return cluster;
}

async function roleOf(server: RedisServer): Promise<unknown> {
  const role = await server.ask("ROLE");
  return Array.isArray(role) ? role[0] : role;
}

describe("one Redis", () => {
  it("comes back with its data if it is durable, and empty on request", async () => {
    const redis = await startRedis({ durable: true });
    onTestFinished(() => redis.close());
    await redis.ask("SET", "kept", "yes");
    await redis.kill();
    expect(redis.running).toBe(false);
    await redis.restart({ keepFiles: true });
    expect(await redis.ask("GET", "kept")).toBe("yes");
    await redis.restart();
    expect(await redis.ask("GET", "kept")).toBeNull();
  });

  it("can be paused and continues with what it was asked meanwhile", async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    await redis.pause();
    let answered = false;
    const answer = redis.ask("PING").finally(() => {
      answered = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(answered).toBe(false);
    await redis.resume();
    expect(await answer).toBe("PONG");
  });
});

describe("Sentinels over a master and two replicas", () => {
  it.each([
    ["killed", (master: RedisServer) => master.kill()],
    ["paused", (master: RedisServer) => master.pause()],
  ] as const)("name another master when it is %s, and the other replica follows that one", async (_, fault) => {
    const sentinel = await startRedisSentinel({ sentinels: 3, replicas: 2 });
    onTestFinished(() => sentinel.close());
    const prefix = freshPrefix();
    // WAIT only considers writes of its own connection.
    const connection = await RespConnection.open(sentinel.master.port);
    onTestFinished(() => connection.close());
    await connection.command("SET", `${prefix}:a`, "1");
    expect(await connection.command("WAIT", 2, 5_000)).toBe(2);
    await fault(sentinel.master);
    const master = await sentinel.untilFailedOver(sentinel.master);
    expect(sentinel.nodes.slice(1)).toContain(master);
    await eventually(async () => {
      expect(await master.ask("ROLE")).toEqual(["master", expect.any(Number), [expect.anything()]]);
    });
    expect(await keysUnder(sentinel.url, prefix)).toEqual([`${prefix}:a`]);
  });

  it("are asked for keys at the master that most of them name, though one still names a paused one", async () => {
    const sentinel = await startRedisSentinel({ sentinels: 3 });
    onTestFinished(() => sentinel.close());
    await sentinel.master.pause();
    const master = await sentinel.untilFailedOver(sentinel.master);
    const prefix = freshPrefix();
    await master.ask("SET", `${prefix}:a`, "1");
    // Without a configuration epoch, the first Sentinel names the former master until the others tell it.
    const [first] = sentinel.sentinels;
    await first?.ask("SENTINEL", "REMOVE", sentinel.masterName);
    await first?.ask("SENTINEL", "MONITOR", sentinel.masterName, "127.0.0.1", sentinel.master.port, 2);
    expect(await keysUnder(sentinel.url, prefix)).toEqual([`${prefix}:a`]);
  });

  it("fail over if the master is cut off by its proxy, and take it back as a replica", async () => {
    const sentinel = await startRedisSentinel({ sentinels: 3, replicas: 2, proxied: true });
    onTestFinished(() => sentinel.close());
    const [cutOff] = sentinel.proxies;
    await cutOff?.set({ kind: "cut" });
    const master = await sentinel.untilFailedOver(sentinel.master);
    expect(await roleOf(sentinel.master)).toBe("master");
    await cutOff?.set({ kind: "pass" });
    await eventually(async () => expect(await roleOf(sentinel.master)).toBe("slave"));
    expect(await sentinel.currentMaster()).toBe(master);
  });
});

describe("a Cluster with a replica for each master", () => {
  it("fails over when a master is killed, and takes it back as a replica of its successor", async () => {
    const cluster = await startCluster();
    const [master] = cluster.nodes as readonly [RedisServer, ...RedisServer[]]; // There are six.
    const [replica] = (await cluster.replicasOf(master)) as [RedisServer]; // It has one.
    await master.kill();
    await cluster.untilMaster(replica);
    await cluster.untilWhole();
    expect(await cluster.ownerOf(0)).toBe(replica);
    await master.restart({ keepFiles: true });
    await cluster.untilWhole();
    expect(await cluster.replicasOf(replica)).toEqual([master]);
  });

  it("fails over when it is asked to, and moves a slot with its keys", async () => {
    const cluster = await startCluster();
    const [master, second, third] = cluster.nodes as readonly [RedisServer, RedisServer, RedisServer]; // There are six.
    const [replica] = (await cluster.replicasOf(master)) as [RedisServer]; // It has one.
    await cluster.failOver(replica);
    expect(await cluster.ownerOf(0)).toBe(replica);
    expect(await roleOf(master)).toBe("slave");
    expect(new Set(await cluster.masters())).toEqual(new Set([replica, second, third]));

    const prefix = freshPrefix();
    const slot = Number(await third.ask("CLUSTER", "KEYSLOT", `{${prefix}}`));
    const source = await cluster.ownerOf(slot);
    const target = source === third ? replica : third;
    const keys = Array.from({ length: 250 }, (_, i) => `{${prefix}}:${i}`);
    for (const key of keys) await source.ask("SET", key, key);
    await cluster.moveSlot(slot, target);
    expect(await cluster.ownerOf(slot)).toBe(target);
    expect(await target.ask("CLUSTER", "COUNTKEYSINSLOT", slot)).toBe(keys.length);
    await expect(source.ask("GET", keys[0] ?? "")).rejects.toThrow("MOVED");
    expect(await keysUnder(cluster.url, `{${prefix}}`)).toEqual(keys.sort());
    await cluster.untilWhole();
  });

  it("announces its proxies, and stays whole if one of them is cut", async () => {
    const cluster = await startCluster({ replicas: 0, proxied: true });
    const slots = await cluster.nodes[0]?.ask("CLUSTER", "SLOTS");
    const announced = (Array.isArray(slots) ? slots : []).flatMap((range) =>
      Array.isArray(range) && Array.isArray(range[2]) ? [Number(range[2][1])] : [],
    );
    expect(announced.sort()).toEqual(cluster.proxies.map(({ port }) => port).sort());
    expect(cluster.ports).toEqual(cluster.proxies.map(({ port }) => port));
    await cluster.proxies[0]?.set({ kind: "cut" });
    await new Promise((resolve) => setTimeout(resolve, 2 * 1_000));
    await cluster.untilWhole();
  });
});
