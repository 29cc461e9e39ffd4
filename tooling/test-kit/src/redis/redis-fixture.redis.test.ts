import { expect, inject, it } from "vitest";
import {
  askRedis,
  eventually,
  freshPrefix,
  keysUnder,
  startRedis,
  startRedisCluster,
  startRedisSentinel,
} from "../index.js";

function portsOf(url: string): number[] {
  return [...url.matchAll(/:(\d+)/g)].map((match) => Number(match[1]));
}

it("gives every test a single Redis and a Cluster that answer", async () => {
  expect(await askRedis(portsOf(inject("redisUrl"))[0] ?? 0, "PING")).toBe("PONG");
  for (const port of portsOf(inject("redisClusterUrl"))) {
    expect(await askRedis(port, "CLUSTER", "INFO")).toContain("cluster_state:ok");
  }
});

it("starts a Redis that keeps nothing, dies, comes back empty on its port and ends", async () => {
  const redis = await startRedis();
  const prefix = freshPrefix();
  const before = redis.pid;
  try {
    await askRedis(redis.port, "SET", `${prefix}:a[1]*`, "1");
    expect(await keysUnder(redis.url, prefix)).toEqual([`${prefix}:a[1]*`]);
    await redis.kill();
    await expect(askRedis(redis.port, "PING")).rejects.toThrow();
    await redis.restart();
    expect(await keysUnder(redis.url, prefix)).toEqual([]);
    expect(redis.pid).not.toBe(before);
  } finally {
    await redis.close();
  }
  await expect(askRedis(redis.port, "PING")).rejects.toThrow();
});

it("starts a Cluster whose replica takes over when its master is killed", async () => {
  const cluster = await startRedisCluster({ replicas: 1, nodeTimeoutMs: 1_000 });
  try {
    const [first, second] = cluster.nodes;
    await first?.kill();
    await eventually(
      async () => {
        const info = await askRedis(second?.port ?? 0, "CLUSTER", "NODES");
        expect(info).toMatch(/master,fail/);
        expect(await askRedis(second?.port ?? 0, "CLUSTER", "INFO")).toContain("cluster_state:ok");
      },
      { timeoutMs: 20_000 },
    );
  } finally {
    await cluster.close();
  }
});

it("starts Sentinels that name the master", async () => {
  const sentinel = await startRedisSentinel({ sentinels: 3 });
  try {
    for (const port of sentinel.ports) {
      expect(await askRedis(port, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", sentinel.masterName)).toEqual([
        "127.0.0.1",
        String(sentinel.master.port),
      ]);
    }
  } finally {
    await sentinel.close();
  }
});
