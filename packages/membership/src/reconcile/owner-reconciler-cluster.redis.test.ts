import { type CmError, isCmError } from "@cm/protocol";
import { createRedisStore } from "@cm/redis-store";
import { eventually, freshPrefix, type RedisServer, startRedisCluster } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";
import { startChecked } from "./owner-reconciler-suite.fixture.js";

it("continues with the other masters' partitions while one of a Cluster's can't be reached", {
  timeout: 60_000,
}, async () => {
  const redis = await startRedisCluster({ proxied: true });
  onTestFinished(() => redis.close());
  const prefix = freshPrefix();
  const store = createRedisStore({
    url: redis.url,
    prefix,
    partitions: 12,
    commandTimeoutMs: 300,
    onError: () => undefined,
  });
  onTestFinished(() => store.close());
  await store.start();
  const errors: CmError[] = [];
  const server = await startChecked(store, { onError: (error) => errors.push(error) });
  const ownerOf = async (key: string): Promise<RedisServer> =>
    redis.ownerOf(Number(await redis.nodes[0]?.ask("CLUSTER", "KEYSLOT", key)));
  const ann = await server.connect("ann");
  const rooms = Array.from({ length: 36 }, (_, i) => `room-${i}`);
  for (const room of rooms) await server.membership.join(ann, room);
  // Choose a master that does not hold the leases.
  const lost = (await ownerOf(`${prefix}:{servers}`)) === redis.nodes[0] ? 1 : 0;
  const isReachable = async (room: string): Promise<boolean> => {
    const error: unknown = await store.rooms.count(room).then(
      () => undefined,
      (cause: unknown) => cause,
    );
    return !isCmError(error);
  };
  await redis.proxies[lost]?.set({ kind: "hang" });
  const reachable: string[] = [];
  for (const room of rooms) if (await isReachable(room)) reachable.push(room);
  expect(reachable.length).toBeGreaterThan(10);
  expect(reachable.length).toBeLessThan(rooms.length);
  await eventually(() => expect(errors.some(({ retryable }) => retryable)).toBe(true));
  for (const room of reachable) await store.rooms.leave(server.lease(), room, [{ connectionId: ann, userId: "ann" }]);
  await eventually(
    async () => {
      for (const room of reachable) expect(await store.rooms.count(room)).toBe(1);
    },
    { timeoutMs: 30_000 },
  );
  expect(redis.proxies[lost]?.mode).toEqual({ kind: "hang" });
  await redis.proxies[lost]?.set({ kind: "pass" });
  await eventually(async () => expect(await Promise.all(rooms.map(isReachable))).not.toContain(false));
});
