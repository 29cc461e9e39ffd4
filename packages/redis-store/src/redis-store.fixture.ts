import {
  type CmError,
  type ConnectionIdSource,
  createConnectionIdSource,
  type FailureStage,
  isCmError,
  type Lease,
  type ServerRegistration,
} from "@cm/protocol";
import { freshPrefix } from "@cm/test-kit";
import { onTestFinished } from "vitest";
import { createRedisStore, type RedisStore, type RedisStoreOptions } from "./index.js";

/** Starts a store that is closed when the test ends. */
export async function startStore(options: RedisStoreOptions): Promise<RedisStore> {
  const store = createRedisStore({ prefix: freshPrefix(), onError: () => undefined, ...options });
  onTestFinished(() => store.close());
  await store.start();
  return store;
}

/** A server with a lease. */
export interface TestServer {
  readonly ids: ConnectionIdSource;
  readonly registration: ServerRegistration;
  readonly lease: Lease;
}

export async function bringUp(store: RedisStore, serverId: string, ttlMs = 60_000): Promise<TestServer> {
  const ids = createConnectionIdSource({ serverId });
  const { incarnation, partitionBits } = ids;
  const registration = { serverId, incarnation, partitionBits, host: "127.0.0.1", port: 8080 };
  return { ids, registration, lease: await store.servers.acquire(registration, ttlMs) };
}

/** Adds a connection of the server to the connection records, to the user's connections and to the rooms. */
export async function connect(store: RedisStore, server: TestServer, userId: string, rooms: readonly string[]) {
  const connection = { connectionId: server.ids.next(), userId };
  await Promise.all([
    store.connections.put(server.lease, [
      { ...connection, connectedAt: 1_700_000_000_000, lastSeen: 1_700_000_000_000, rooms },
    ]),
    store.users.add(server.lease, [connection]),
    ...rooms.map((room) => store.rooms.join(server.lease, room, [connection])),
  ]);
  return connection;
}

/** The error code with which a call fails, or `done`. */
export async function outcomeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "done";
  } catch (error) {
    if (isCmError(error)) return error.code;
    throw error;
  }
}

/** Collects the errors passed to `onError`. */
export function errorLog(): {
  readonly seen: { readonly code: string; readonly stage: FailureStage }[];
  readonly onError: (error: CmError, context: { readonly stage: FailureStage }) => void;
} {
  const seen: { code: string; stage: FailureStage }[] = [];
  return { seen, onError: ({ code }, { stage }) => seen.push({ code, stage }) };
}

export function portOf(url: string): number {
  return Number(/:(\d+)/.exec(url)?.[1]);
}
