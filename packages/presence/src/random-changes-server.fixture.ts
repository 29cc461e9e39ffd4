import { type ConnectionIdSource, createConnectionIdSource, type Lease, type Store } from "@cm/protocol";
import { eventually } from "@cm/test-kit";

/** One step on a server. `pick` selects one of the server's connections. */
export type RandomStep =
  | { readonly kind: "open"; readonly user: number; readonly metadata: number | undefined }
  | { readonly kind: "update"; readonly pick: number; readonly metadata: number }
  | { readonly kind: "close"; readonly pick: number; readonly graceMs: number }
  | { readonly kind: "join" | "leave"; readonly pick: number }
  | { readonly kind: "end-grace-periods" }
  | { readonly kind: "crash" };

interface Connection {
  readonly userId: string;
  readonly connectionId: string;
  metadata: string | undefined;
}

/** The room that all steps change. */
export const CHANGED_ROOM = "changed";

/** Duration of leases and claims that must not expire during a test, in milliseconds. */
const LONG_MS = 120_000;
const SHORT_MS = 50;

/** Writes to a store as an owner does, and crashes on request. */
export class RandomChangesServer {
  readonly #store: Store;
  readonly #serverId: string;
  #ids: ConnectionIdSource;
  #lease: Lease | undefined;
  #connections: Connection[] = [];

  constructor(store: Store, serverId: string) {
    this.#store = store;
    this.#serverId = serverId;
    this.#ids = createConnectionIdSource({ serverId });
  }

  async run(step: RandomStep): Promise<void> {
    const lease = this.#lease ?? (await this.#acquire(LONG_MS));
    const { users, rooms, partitions, upkeep } = this.#store;
    switch (step.kind) {
      case "open": {
        const metadata = step.metadata === undefined ? undefined : JSON.stringify({ n: step.metadata });
        const connection = { userId: `user-${step.user}`, connectionId: this.#ids.next(), metadata };
        this.#connections.push(connection);
        return users.add(lease, [connection]);
      }
      case "end-grace-periods":
        await upkeep.projection.endGracePeriods(Array.from({ length: partitions }, (_, partition) => partition));
        return;
      case "crash":
        return this.#crash();
      default:
    }
    const connection = this.#connections[step.pick % this.#connections.length];
    if (connection === undefined) return;
    switch (step.kind) {
      case "update":
        connection.metadata = JSON.stringify({ n: step.metadata });
        await Promise.all([
          users.add(lease, [connection], { onlyExisting: true }),
          rooms.join(lease, CHANGED_ROOM, [connection], { onlyExisting: true }),
        ]);
        return;
      case "close":
        this.#connections = this.#connections.filter((each) => each !== connection);
        await Promise.all([
          users.remove(lease, [connection], { graceMs: step.graceMs }),
          rooms.leave(lease, CHANGED_ROOM, [connection]),
        ]);
        return;
      case "join":
        return rooms.join(lease, CHANGED_ROOM, [connection]);
      case "leave":
        return rooms.leave(lease, CHANGED_ROOM, [connection]);
    }
  }

  /** Lets the lease expire, and has another server clean up. */
  async #crash(): Promise<void> {
    const { servers, upkeep } = this.#store;
    await this.#acquire(SHORT_MS);
    const claim = await eventually(async () => {
      const won = await upkeep.servers.claim({ serverId: this.#serverId }, "reaper", LONG_MS);
      if (won === undefined) throw new Error("The server still lives.");
      return won;
    });
    await Promise.all([
      upkeep.projection.evict(claim, { users: this.#connections }),
      upkeep.projection.evict(claim, { room: CHANGED_ROOM }),
    ]);
    await servers.unregister(claim);
    this.#connections = [];
    this.#lease = undefined;
    this.#ids = createConnectionIdSource({ serverId: this.#serverId });
  }

  async #acquire(ttlMs: number): Promise<Lease> {
    const { serverId, incarnation, partitionBits } = this.#ids;
    this.#lease = await this.#store.servers.acquire(
      { serverId, incarnation, partitionBits, host: "127.0.0.1", port: 1 },
      ttlMs,
    );
    return this.#lease;
  }
}
