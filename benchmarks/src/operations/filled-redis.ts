import {
  type ConnectionIdSource,
  type ConnectionRecord,
  createConnectionIdSource,
  type Lease,
  type Store,
} from "@cm/protocol";

/** Numbers of servers, connections and room members. */
export interface FillOptions {
  readonly servers: number;
  readonly connectionsPerServer: number;
  readonly roomMembers: number;
}

/** A server that exists only as a lease. */
export interface Owner {
  readonly ids: ConnectionIdSource;
  readonly lease: Lease;
}

/** Number of connections written at a time. */
const BATCH = 100;

/**
 * Duration of the leases, in milliseconds: longer than any measurement takes, so that no heartbeat is needed.
 */
const LEASE_TTL_MS = 600_000;

/** Acquires leases for servers `gateway-0`, `gateway-1`, ... */
export async function acquireLeases(store: Store, { servers, connectionsPerServer }: FillOptions): Promise<Owner[]> {
  const owners: Owner[] = [];
  for (let index = 0; index < servers; index++) {
    const ids = createConnectionIdSource({ serverId: `gateway-${index}`, capacity: connectionsPerServer });
    const { serverId, incarnation, partitionBits } = ids;
    const registration = { serverId, incarnation, partitionBits, host: "10.0.0.1", port: 3000 };
    owners.push({ ids, lease: await store.servers.acquire(registration, LEASE_TTL_MS) });
  }
  return owners;
}

/**
 * Writes connections through the store. Each connection has its own user with a name of 12 characters and is
 * in one room; the members of a room are spread over all servers.
 */
export async function fillRedis(
  store: Store,
  owners: readonly Owner[],
  { servers, connectionsPerServer, roomMembers }: FillOptions,
): Promise<void> {
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
}
