import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import type { Store } from "@cm/protocol";
import { createRedisStore } from "@cm/redis-store";

const hub = createMemoryHub();

/** A store for one server: Redis where `REDIS_URL` is set, else memory shared within this process. */
export async function openStore(): Promise<Store> {
  const url = process.env.REDIS_URL;
  const store =
    url === undefined
      ? createMemoryStore({ hub })
      : createRedisStore({ url, prefix: process.env.REDIS_PREFIX ?? "cm-examples" });
  await store.start();
  return store;
}
