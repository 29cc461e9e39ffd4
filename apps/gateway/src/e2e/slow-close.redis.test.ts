import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { startGatewayProcess } from "@cm/gateway-kit/processes/gateway-process";
import { askRedis, freshPrefix, keysLeftUnder, type RedisCluster, startRedisCluster } from "@cm/test-kit";
import { afterAll, beforeAll, expect, it } from "vitest";

let redis: RedisCluster;

beforeAll(async () => {
  redis = await startRedisCluster({ masters: 3 });
});

afterAll(async () => {
  await redis.close();
});

it("leaves no key behind if some masters of a Cluster are slow while it closes", async () => {
  const prefix = freshPrefix();
  const gateway = await startGatewayProcess({ env: { REDIS_URL: redis.url, REDIS_PREFIX: prefix } });
  const sockets = await Promise.all(Array.from({ length: 30 }, (_, i) => CmSocket.open(gateway.wsUrl, `user-${i}`)));
  await Promise.all(sockets.map((socket, i) => socket.do({ type: "join", room: `room-${i % 10}` })));
  // Pause two of the three masters. The lease may be stored on the third, which responds at once.
  for (const port of redis.ports.slice(0, 2)) await askRedis(port, "CLIENT", "PAUSE", "1000", "ALL");
  expect(await gateway.stop()).toBe(0);
  for (const socket of sockets) expect(await socket.closed).toMatchObject({ code: 4201 });
  expect(await keysLeftUnder(redis.url, prefix)).toEqual([`${prefix}:layout`]);
});
