import { CmError, type ConnectionRecord, createConnectionIdSource, type OnError, type Store } from "@cm/protocol";
import { createRedisStore } from "@cm/redis-store";
import { startRedis } from "@cm/test-kit";
import { Redis } from "ioredis";

/** What a connection costs in Redis. */
export interface MemoryMeasurement {
  readonly connections: number;
  readonly servers: number;
  /** Members of each room. */
  readonly roomMembers: number;
  /** Redis's `used_memory` before the first connection, every server's lease included. */
  readonly usedBytesBefore: number;
  readonly usedBytesAfter: number;
  readonly bytesPerConnection: number;
  readonly keys: number;
}

/** How many connections are put into Redis. */
export interface MemoryOptions {
  readonly servers: number;
  readonly connectionsPerServer: number;
  readonly roomMembers: number;
}

/** As many as one write of a starting server holds. */
const BATCH = 100;

/** Longer than the measurement takes, so that no lease needs a heartbeat. */
const LEASE_TTL_MS = 600_000;

/**
 * Puts connections into a fresh Redis through the store, each its own user with a name
 * of 12 characters, each in one room, and sees what Redis's memory grew by. Members of
 * a room are spread over all servers.
 */
export async function measureRedisMemory(options: MemoryOptions): Promise<MemoryMeasurement> {
  const { servers, connectionsPerServer, roomMembers } = options;
  const redis = await startRedis();
  const admin = new Redis(redis.url);
  const onError: OnError = (error) => console.error(error);
  const store: Store = createRedisStore({ url: redis.url, onError });
  try {
    await store.start();
    const owners = [];
    for (let index = 0; index < servers; index++) {
      const ids = createConnectionIdSource({ serverId: `gateway-${index}`, capacity: connectionsPerServer });
      const { serverId, incarnation, shelfBits } = ids;
      const registration = { serverId, incarnation, shelfBits, host: "10.0.0.1", port: 3000 };
      owners.push({ ids, lease: await store.servers.acquire(registration, LEASE_TTL_MS) });
    }
    const usedBytesBefore = await usedMemory(admin);
    const rooms = Math.ceil((servers * connectionsPerServer) / roomMembers);
    let user = 0;
    for (let done = 0; done < connectionsPerServer; done += BATCH) {
      for (const { ids, lease } of owners) {
        const records: ConnectionRecord[] = [];
        for (let count = Math.min(BATCH, connectionsPerServer - done); count > 0; count--) {
          const now = Date.now();
          records.push({
            connectionId: ids.next(),
            userId: `user-${String(user).padStart(7, "0")}`,
            connectedAt: now,
            lastSeen: now,
            rooms: [`room-${user % rooms}`],
          });
          user++;
        }
        await store.connections.put(lease, records);
        await store.users.add(lease, records);
        await Promise.all(records.map((record) => store.rooms.join(lease, record.rooms[0] ?? "", [record])));
      }
    }
    const connections = servers * connectionsPerServer;
    const online = await store.users.countOnline();
    if (online !== connections) {
      throw new CmError("internal", `${connections} users were added and ${online} are online.`);
    }
    const usedBytesAfter = await usedMemory(admin);
    return {
      connections,
      servers,
      roomMembers,
      usedBytesBefore,
      usedBytesAfter,
      bytesPerConnection: (usedBytesAfter - usedBytesBefore) / connections,
      keys: await admin.dbsize(),
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
