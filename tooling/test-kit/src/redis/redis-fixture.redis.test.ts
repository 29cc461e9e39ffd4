import { expect, inject, it } from "vitest";
import { askRedis, freshPrefix, keysUnder, startRedis } from "../index.js";

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
    // `npm run test:containers` requires one launcher; the test must not pass with another one.
    if (process.env.REDIS_LAUNCHER !== undefined) expect(redis.launcher).toBe(process.env.REDIS_LAUNCHER);
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
