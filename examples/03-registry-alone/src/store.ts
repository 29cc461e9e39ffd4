import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import type { Store } from "@cm/protocol";
import { createRedisStore } from "@cm/redis-store";

const hub = createMemoryHub();

/** Starts a store for one server: on Redis if `REDIS_URL` is set, otherwise in memory that this process shares. */
export async function openStore(): Promise<Store> {
  const url = process.env.REDIS_URL;
  const store =
    url === undefined
      ? createMemoryStore({ hub })
      : createRedisStore({ url, prefix: process.env.REDIS_PREFIX ?? "cm-examples" });
  await store.start();
  return store;
}
