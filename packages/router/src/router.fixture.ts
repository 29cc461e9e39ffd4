import {
  type ConnectionIdSource,
  createConnectionIdSource,
  type Lease,
  type LocalDelivery,
  type Store,
} from "@cm/protocol";
import { onTestFinished } from "vitest";
import { createRouter } from "./bus-router.js";
import type { Gap, RouterOptions } from "./options.js";
import type { Router } from "./router.js";

/** Sockets that record the frames they are given. */
export class Sockets implements LocalDelivery {
  readonly rooms: { room: string; text: string; except: readonly string[] }[] = [];
  readonly directs: { to: string; text: string }[] = [];
  readonly connections = new Set<string>();
  readonly users = new Set<string>();

  toRoom(room: string, frame: Uint8Array, except: readonly string[]): void {
    this.rooms.push({ room, text: text(frame), except });
  }

  toConnection(to: string, frame: Uint8Array): boolean {
    if (!this.connections.has(to)) return false;
    this.directs.push({ to, text: text(frame) });
    return true;
  }

  toUser(to: string, frame: Uint8Array): number {
    if (!this.users.has(to)) return 0;
    this.directs.push({ to, text: text(frame) });
    return 1;
  }
}

export const bytes = (value: string): Uint8Array => Buffer.from(value);
export const text = (value: Uint8Array): string => Buffer.from(value).toString();

/** One server with its store, its sockets and its router. */
export interface Server {
  readonly id: string;
  readonly store: Store;
  readonly lease: Lease;
  readonly sockets: Sockets;
  readonly router: Router;
  readonly gaps: Gap[];
  readonly messages: { origin: string; text: string }[];
  readonly ids: ConnectionIdSource;
  readonly nextId: () => string;
}

/**
 * Starts a server with a lease. The server is closed when the test ends. Its sockets receive local deliveries
 * unless `options.local` replaces them.
 */
export async function startServer(
  serverId: string,
  store: Store,
  options: Partial<RouterOptions> = {},
): Promise<Server> {
  onTestFinished(() => store.close());
  await store.start();
  const ids = createConnectionIdSource({ serverId });
  const lease = await store.servers.acquire(
    { serverId, incarnation: ids.incarnation, partitionBits: ids.partitionBits, host: "localhost", port: 1 },
    60_000,
  );
  const sockets = new Sockets();
  const gaps: Gap[] = [];
  const messages: { origin: string; text: string }[] = [];
  const router = createRouter({
    serverId,
    store,
    local: sockets,
    releaseDelayMs: 0,
    onGap: (gap) => gaps.push(gap),
    onServerMessage: ({ origin, payload }) => messages.push({ origin, text: text(payload) }),
    ...options,
  });
  onTestFinished(() => router.close());
  await router.start();
  return { id: serverId, store, lease, sockets, router, gaps, messages, ids, nextId: () => ids.next() };
}
