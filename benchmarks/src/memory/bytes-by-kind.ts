import type { Redis } from "ioredis";

/** The kinds of keys that hold connections, each with the pattern of its keys' names. */
const KINDS: Readonly<Record<string, RegExp>> = {
  records: /^\w+:\{[^}]+\}:connections:/,
  "rooms of a connection": /^\w+:\{[^}]+\}:places:/,
  "members of rooms": /^\w+:\{r\.\w+\}:rooms:/,
  "names of rooms": /^\w+:\{r\.\w+\}:rooms$/,
  users: /^\w+:\{u\.\w+\}:connections$/,
};

/**
 * Returns the memory of all keys in bytes, by kind, including the keys' names and their entries in Redis's table
 * of keys.
 */
export async function readBytesByKind(redis: Redis): Promise<Record<string, number>> {
  const bytes: Record<string, number> = {};
  let cursor = "0";
  do {
    const [next, keys] = await redis.scan(cursor, "COUNT", 1_000);
    cursor = next;
    // Without `SAMPLES 0`, Redis estimates the size of a collection from five of its elements.
    const sizes = await Promise.all(keys.map((key) => redis.memory("USAGE", key, "SAMPLES", 0)));
    for (const [index, key] of keys.entries()) {
      const kind = Object.entries(KINDS).find(([, pattern]) => pattern.test(key))?.[0] ?? "everything else";
      bytes[kind] = (bytes[kind] ?? 0) + (sizes[index] ?? 0);
    }
  } while (cursor !== "0");
  return bytes;
}
