import type { Membership } from "@cm/membership";
import { type CloseReason, CmError, type LocalConnectionManager } from "@cm/protocol";
import type { LeaveNotices } from "./leave-notices.js";

/** Options of {@link RegisteredConnections}. */
export interface RegisteredConnectionsOptions<S> {
  readonly local: LocalConnectionManager<S>;
  readonly membership: Membership;
  /** Notified of the rooms that have local members; `undefined` if departures are not announced. */
  readonly leaveNotices: LeaveNotices | undefined;
  /** Observes background work, and reports the error if the work fails. */
  readonly onFailure: (work: Promise<unknown>) => void;
}

/** The state of a connection's membership in a room: it is still joining, or it has joined. */
interface MembershipState {
  isEntered: boolean;
}

/** A registered socket, with the rooms that it should be in. */
interface Registered {
  readonly rooms: Map<string, MembershipState>;
}

/** Keeps this server's local sockets, membership and leave notices consistent with each other. */
export class RegisteredConnections<S> {
  readonly #options: RegisteredConnectionsOptions<S>;
  readonly #connections = new Map<string, Registered>();
  #isClosed = false;

  constructor(options: RegisteredConnectionsOptions<S>) {
    this.#options = options;
  }

  get size(): number {
    return this.#connections.size;
  }

  has(connectionId: string): boolean {
    return this.#connections.has(connectionId);
  }

  async register(socket: S, userId: string): Promise<string> {
    const { local, membership, onFailure } = this.#options;
    const connectionId = membership.nextConnectionId();
    local.add({ connectionId, userId, socket, onClosed: () => onFailure(this.remove(connectionId)) });
    const registered: Registered = { rooms: new Map() };
    this.#connections.set(connectionId, registered);
    try {
      await membership.open({ connectionId, userId });
    } catch (error) {
      this.#forget(connectionId, registered);
      local.remove(connectionId);
      throw error;
    }
    if (this.#connections.get(connectionId) !== registered) {
      throw new CmError("closed", "The socket was closed while it was registered.");
    }
    return connectionId;
  }

  async join(connectionId: string, room: string): Promise<void> {
    const connection = this.#connections.get(connectionId);
    if (connection === undefined) throw new CmError("not-found", "There is no such connection.");
    const state = connection.rooms.get(room) ?? { isEntered: false };
    connection.rooms.set(room, state);
    try {
      await this.#options.membership.join(connectionId, room);
    } catch (error) {
      if (!state.isEntered && connection.rooms.get(room) === state) connection.rooms.delete(room);
      throw error;
    }
    // The connection may have left the room or closed in the same turn in which the join succeeded.
    if (!this.has(connectionId) || connection.rooms.get(room) !== state) {
      throw new CmError("not-found", "The connection left while it was joining.");
    }
    if (state.isEntered) return;
    state.isEntered = true;
    this.#options.local.enter(connectionId, room);
    this.#options.leaveNotices?.enter(room);
  }

  async leave(connectionId: string, room: string): Promise<void> {
    const { local, membership, leaveNotices } = this.#options;
    const connection = this.#connections.get(connectionId);
    const state = connection?.rooms.get(room);
    if (connection === undefined || state === undefined) return;
    connection.rooms.delete(room);
    if (state.isEntered) {
      local.exit(connectionId, room);
      leaveNotices?.exit(room);
    }
    await membership.leave(connectionId, room);
  }

  /** Removes a connection. With a reason, also closes its socket. */
  async remove(connectionId: string, reason?: CloseReason): Promise<void> {
    const connection = this.#connections.get(connectionId);
    if (connection === undefined) return;
    this.#forget(connectionId, connection);
    this.#options.local.remove(connectionId, reason);
    // After `close`, the membership withdraws this connection together with all others.
    if (!this.#isClosed) await this.#options.membership.close(connectionId);
  }

  /**
   * Removes all connections without sending leave notices. Returns the ids of the connections that were
   * registered.
   */
  close(): readonly string[] {
    this.#isClosed = true;
    this.#options.leaveNotices?.close();
    const ids = [...this.#connections.keys()];
    this.#connections.clear();
    return ids;
  }

  #forget(connectionId: string, connection: Registered): void {
    if (this.#connections.get(connectionId) !== connection) return;
    this.#connections.delete(connectionId);
    for (const [room, { isEntered }] of connection.rooms) if (isEntered) this.#options.leaveNotices?.exit(room);
    connection.rooms.clear();
  }
}
