import { CmError, type OnError, type Store } from "@cm/protocol";
import { createRedisStore } from "@cm/redis-store";
import { startRedis } from "@cm/test-kit";
import { Redis } from "ioredis";
import { acquireLeases, type FillOptions, fillRedis } from "../operations/filled-redis.js";
import { readBytesByKind } from "./bytes-by-kind.js";

/** The memory that connections use in Redis. */
export interface MemoryMeasurement {
  readonly connections: number;
  readonly servers: number;
  /** Number of members of each room. */
  readonly roomMembers: number;
  /** Redis's `used_memory` before the first connection, including every server's lease. */
  readonly usedBytesBefore: number;
  readonly usedBytesAfter: number;
  readonly bytesPerConnection: number;
  readonly keys: number;
  /** Bytes per connection by kind of key, from Redis's `MEMORY USAGE`. */
  readonly bytesByKind: Readonly<Record<string, number>>;
}

/**
 * Writes connections to a fresh Redis through the store, and measures by how much Redis's memory grows. Each
 * connection has its own user with a name of 12 characters and is in one room; the members of a room are
 * spread over all servers.
 */
export async function measureRedisMemory(options: FillOptions): Promise<MemoryMeasurement> {
  const { servers, connectionsPerServer, roomMembers } = options;
  const redis = await startRedis();
  const admin = new Redis(redis.url);
  const onError: OnError = (error) => console.error(error);
  const store: Store = createRedisStore({ url: redis.url, onError });
  try {
    await store.start();
    const owners = await acquireLeases(store, options);
    const usedBytesBefore = await usedMemory(admin);
    await fillRedis(store, owners, options);
    const connections = servers * connectionsPerServer;
    const online = await store.counts.of("users");
    if (online !== connections) {
      throw new CmError("internal", `${connections} users were added and ${online} are online.`);
    }
    const usedBytesAfter = await usedMemory(admin);
    const kinds = Object.entries(await readBytesByKind(admin));
    return {
      connections,
      servers,
      roomMembers,
      usedBytesBefore,
      usedBytesAfter,
      bytesPerConnection: (usedBytesAfter - usedBytesBefore) / connections,
      keys: await admin.dbsize(),
      bytesByKind: Object.fromEntries(kinds.map(([kind, bytes]) => [kind, bytes / connections])),
    };
  } finally {
    await store.close();
    admin.disconnect();
    await redis.close();
  }
}

async function usedMemory(redis: Redis): Promise<number> {
  const info = await redis.info("memory");
  const bytes = /^used_memory:(\d+)/m.exec(info)?.[1];
  if (bytes === undefined) throw new CmError("internal", "Redis did not tell its used_memory.");
  return Number(bytes);
}
