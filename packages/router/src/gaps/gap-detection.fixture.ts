import { createRedisStore } from "@cm/redis-store";
import { askRedis, eventually, freshPrefix, type RedisServer, startRedis } from "@cm/test-kit";
import { expect, onTestFinished } from "vitest";
import type { RouterOptions } from "../options.js";
import { bytes, type Server, startServer } from "../router.fixture.js";

export interface Pair {
  readonly redis: RedisServer;
  readonly a: Server;
  readonly b: Server;
  readonly start: (id: string, options?: Partial<RouterOptions>) => Promise<Server>;
}

/** Two servers on a Redis of their own. */
export async function startPair(options?: Partial<RouterOptions>): Promise<Pair> {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const prefix = freshPrefix();
  const start = (id: string, more?: Partial<RouterOptions>): Promise<Server> =>
    startServer(id, createRedisStore({ url: redis.url, prefix, onError: () => undefined }), { ...options, ...more });
  const a = await start("a");
  const b = await start("b");
  return { redis, a, b, start };
}

/**
 * Breaks the subscribing connections with these indexes, counted in the order in which the connections were
 * opened.
 */
export async function cut({ redis }: Pick<Pair, "redis">, ...places: readonly number[]): Promise<void> {
  const list = String(await askRedis(redis.port, "CLIENT", "LIST", "TYPE", "pubsub"));
  const ids = [...list.matchAll(/^id=(\d+)/gm)].map(([, id]) => Number(id)).sort((x, y) => x - y);
  for (const place of places) expect(await askRedis(redis.port, "CLIENT", "KILL", "ID", String(ids[place]))).toBe(1);
}

export const FIRST = 0;

/** Shuts a server down cleanly. */
export async function end({ router, store, lease }: Server): Promise<void> {
  await router.close();
  await store.servers.unregister(lease);
  await store.close();
}

/**
 * Resolves when the server has provably received every message that was published before some moment after
 * the call.
 */
export async function heardSinceNow({ store }: Server): Promise<void> {
  const provenAt = (): number => performance.now() - (store.link.status().lastProbeMs ?? Number.POSITIVE_INFINITY);
  // The first probe may have been sent before the call.
  for (let probes = 0; probes < 2; probes++) {
    const before = provenAt();
    await eventually(() => expect(provenAt()).toBeGreaterThan(before + 100));
  }
}

export async function publish(server: Server, room: string, ...texts: readonly string[]): Promise<void> {
  await Promise.all(texts.map((text) => server.router.toRoom(room, bytes(text))));
}

export const textsOf = (server: Server): string[] => server.sockets.rooms.map((message) => message.text);

/**
 * Number of room messages of an origin that the server reported as missed; gaps of unknown size are not
 * counted.
 */
export const missedBy = (server: Server, origin: string): number =>
  server.gaps.reduce((sum, { room, known }) => sum + (room && known?.origin === origin ? known.missed : 0), 0);
