import { createRedisStore, type RedisStoreOptions } from "@cm/redis-store";
import { askRedis, freshPrefix, keysUnder, type RedisServer, startRedis } from "@cm/test-kit";
import { onTestFinished } from "vitest";
import type { RouterOptions } from "../options.js";
import { type Server, startServer } from "../router.fixture.js";

export interface RecoverySetup {
  readonly redis: RedisServer;
  readonly prefix: string;
  readonly start: (id: string, options?: Partial<RouterOptions>) => Promise<Server>;
}

export const LIMIT = { maxMessages: 1_000, maxBytes: 1_000_000 };
export const RECOVERABLE = { isRecoverable: () => true };

/** Starts a Redis. The returned `start` starts a server on it that treats all rooms as recoverable. */
export async function setUpRecovery(storeOptions: RedisStoreOptions = {}): Promise<RecoverySetup> {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const prefix = freshPrefix();
  const start = (id: string, options?: Partial<RouterOptions>): Promise<Server> => {
    const store = createRedisStore({ url: redis.url, prefix, onError: () => undefined, ...storeOptions });
    return startServer(id, store, { ...RECOVERABLE, ...options });
  };
  return { redis, prefix, start };
}

export const frame = (n: number): string => `{"n":${n}}`;

/** The numbers of the messages that a server's members received. */
export const numbersOf = ({ sockets }: Server): number[] =>
  sockets.rooms.map(({ text }) => {
    const { n } = JSON.parse(text) as { n: number }; // The test's own frames.
    return n;
  });

export const upTo = (count: number, from = 1): number[] => Array.from({ length: count }, (_, i) => from + i);

export const publish = (server: Server, numbers: readonly number[]): Promise<unknown> =>
  Promise.all(numbers.map((n) => server.router.toRoom("lobby", frame(n))));

/** Breaks the subscribing connections of all servers to a Redis. */
export const cutAll = ({ redis }: RecoverySetup): Promise<unknown> =>
  askRedis(redis.port, "CLIENT", "KILL", "TYPE", "pubsub");

/** A gap of which only the room is known. */
export const UNKNOWN = { room: "lobby", known: undefined };

/**
 * Saves what Redis holds of histories. Returns a function that restores this state, as a failover to a
 * lagging replica would.
 */
export async function remember({ redis, prefix }: RecoverySetup): Promise<() => Promise<void>> {
  const ofHistories = async () =>
    (await keysUnder(redis.url, prefix)).filter((key) => /:(history|place|sender):/.test(key));
  const kept = await ofHistories();
  for (const key of kept) await askRedis(redis.port, "COPY", key, `kept ${key}`);
  return async () => {
    await askRedis(redis.port, "DEL", ...(await ofHistories()));
    for (const key of kept) await askRedis(redis.port, "COPY", `kept ${key}`, key);
  };
}
