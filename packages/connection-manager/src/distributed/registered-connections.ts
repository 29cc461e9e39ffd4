import type { Membership } from "@cm/membership";
import { type CloseReason, CmError, type LocalConnectionManager } from "@cm/protocol";

/** Options of {@link RegisteredConnections}. */
export interface RegisteredConnectionsOptions<S> {
  readonly local: LocalConnectionManager<S>;
  readonly membership: Membership;
  /** Observes background work, and reports the error if the work fails. */
  readonly onFailure: (work: Promise<unknown>) => void;
}

/** Keeps this server's local sockets consistent with the membership, which alone knows their rooms. */
export class RegisteredConnections<S> {
  readonly #options: RegisteredConnectionsOptions<S>;
  readonly #connectionIds = new Set<string>();
  #isClosed = false;

  constructor(options: RegisteredConnectionsOptions<S>) {
    this.#options = options;
  }

  get size(): number {
    return this.#connectionIds.size;
  }

  has(connectionId: string): boolean {
    return this.#connectionIds.has(connectionId);
  }

  async register(socket: S, userId: string): Promise<string> {
    const { local, membership, onFailure } = this.#options;
    const connectionId = membership.nextConnectionId();
    local.add({ connectionId, userId, socket, onClosed: () => onFailure(this.remove(connectionId)) });
    this.#connectionIds.add(connectionId);
    try {
      await membership.open({ connectionId, userId });
    } catch (error) {
      this.#connectionIds.delete(connectionId);
      local.remove(connectionId);
      throw error;
    }
    if (!this.has(connectionId)) {
      throw new CmError("closed", "The socket was closed while it was registered.");
    }
    return connectionId;
  }

  async join(connectionId: string, room: string): Promise<void> {
    const { local, membership } = this.#options;
    if (!this.has(connectionId)) throw new CmError("not-found", "There is no such connection.");
    await membership.join(connectionId, room);
    // The connection may have left the room or closed in the same turn in which the join succeeded.
    if (!this.has(connectionId) || !membership.isMember(connectionId, room)) {
      throw new CmError("not-found", "The connection left while it was joining.");
    }
    local.enter(connectionId, room);
  }

  async leave(connectionId: string, room: string): Promise<void> {
    if (!this.has(connectionId)) return;
    // Also if the connection is still joining: the join then fails, and its socket never enters the room.
    this.#options.local.exit(connectionId, room);
    await this.#options.membership.leave(connectionId, room);
  }

  /** Removes a connection. With a reason, also closes its socket. */
  async remove(connectionId: string, reason?: CloseReason): Promise<void> {
    if (!this.#connectionIds.delete(connectionId)) return;
    this.#options.local.remove(connectionId, reason);
    // After `close`, the membership withdraws this connection together with all others.
    if (!this.#isClosed) await this.#options.membership.close(connectionId);
  }

  /** Removes all connections. Returns the ids of the connections that were registered. */
  close(): readonly string[] {
    this.#isClosed = true;
    const ids = [...this.#connectionIds];
    this.#connectionIds.clear();
    return ids;
  }
}
