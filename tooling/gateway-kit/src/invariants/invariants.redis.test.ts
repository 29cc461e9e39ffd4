import { askRedis } from "@cm/test-kit";
import { expect, inject, it, onTestFinished } from "vitest";
import { Crowd } from "../clients/crowd.js";
import { startGatewayCluster } from "../processes/gateway-cluster.js";
import { expectNoKeys, expectProjected, expectUsageNear } from "./invariants.js";

const redisPort = (): number => Number(new URL(inject("redisUrl")).port);

it("see that a room, a user, a record or a whole server is missing, and what is there without an owner", async () => {
  // Disable signs of life, because the gateway would otherwise restore within a second the data that is removed
  // here.
  const cluster = await startGatewayCluster({ size: 1, env: { DEAD_AFTER_MS: "0" } });
  onTestFinished(() => cluster.close());
  const crowd = await Crowd.gather(cluster, { perGateway: 4, rooms: 2 });
  await expectProjected(cluster, crowd);
  const keys = await cluster.keys();
  // The index of servers, which contains the lease, is the last one, because the gateway writes it again.
  for (const shape of [/:rooms$/, /:rooms:room-1$/, /:connections$/, /:online$/, /:connections:/, /\{servers\}$/]) {
    const key = keys.find((each) => shape.test(each)) ?? "";
    const backup = `${cluster.prefix}:backup`;
    await askRedis(redisPort(), "RENAME", key, backup);
    await expect(expectProjected(cluster, crowd, 0), key).rejects.toThrow();
    await askRedis(redisPort(), "RENAME", backup, key);
    // A request for a roster may have shown the gateway that its lease was lost, and then it writes everything
    // again.
    await expectProjected(cluster, crowd);
  }
  // Connect one client that the crowd does not know of.
  const stranger = await cluster.connect(0, "stranger");
  await expect(expectProjected(cluster, crowd, 0)).rejects.toThrow();
  await stranger.close();
  await expectProjected(cluster, crowd);
});

it("see a key that is left, unless it is allowed to stay", async () => {
  const cluster = await startGatewayCluster({ size: 1, env: { DEAD_AFTER_MS: "0" } });
  await cluster.close();
  await expectNoKeys(cluster);
  const stray = `${cluster.prefix}:retained:1`;
  await askRedis(redisPort(), "SET", stray, "1", "PX", "60000");
  await expect(expectNoKeys(cluster, { timeoutMs: 0 })).rejects.toThrow(stray);
  await expectNoKeys(cluster, { allowed: [/:retained:\d+$/] });
});

it("see memory and files that a process has gained", async () => {
  const usage = { rssBytes: 1_000, openFiles: 10 };
  const grown = (gain: Partial<typeof usage>) => ({ usage: async () => ({ ...usage, ...gain }) });
  await expectUsageNear(grown({ rssBytes: 1_100, openFiles: 11 }), usage, {
    rssBytes: 100,
    openFiles: 1,
    timeoutMs: 0,
  });
  for (const gain of [{ rssBytes: 1_101 }, { openFiles: 12 }]) {
    await expect(expectUsageNear(grown(gain), usage, { rssBytes: 100, openFiles: 1, timeoutMs: 0 })).rejects.toThrow();
  }
});
