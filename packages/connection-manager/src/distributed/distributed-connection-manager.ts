import type { Confirmation, ConfirmedOutcome, RouteOutcome } from "@cm/router";

/** A living server. */
export interface ServerRecord {
  /** The server's id. */
  readonly serverId: string;
  /** Where other machines reach it, as it was configured. */
  readonly host: string;
  /** The port there, as it was configured. */
  readonly port: number;
  /** As of its last heartbeat; of this server, now. */
  readonly activeConnections: number;
  /** Milliseconds since the Unix epoch, of the store's clock. */
  readonly lastHeartbeat: number;
}

/** The whole at one moment. Connections and rooms of a dead server count until it is cleaned up after. */
export interface DistributedStats {
  /** Of all servers. */
  readonly totalConnections: number;
  /** Rooms with members. */
  readonly totalRooms: number;
  /** Servers whose lease lives. */
  readonly activeServers: number;
  /** Of this server. */
  readonly localConnections: number;
  /** Of other servers as of their last heartbeats; `lastHeartbeat` says when that was. */
  readonly serverStats: ServerRecord[];
}

/** How a room is spoken to. */
export interface BroadcastOptions {
  /** Ids of connections that don't get it; at most 255. Default: none. */
  readonly except?: readonly string[];
}

/** How a direct message is sent. */
export interface ConfirmOptions {
  /** How long to wait for the owner to confirm delivery to a socket, in ms, 1 to 600,000. Default: does not wait. */
  readonly confirmMs?: number;
}

/**
 * Sockets, rooms and messages across servers. Each method costs at most one round trip to
 * the store, unless it says otherwise. A message is any value that JSON has; sockets get
 * its JSON as one text message.
 *
 * Beside what each says, methods fail with `closed` after {@link shutdown}, with
 * `unavailable` or `timeout` where the store can't be reached, and with `id-invalid`,
 * `name-invalid` or `name-too-long` for what can't be an id or a name; nothing has
 * changed then.
 */
export interface DistributedConnectionManager<S = unknown> {
  /** Id of this server. */
  readonly serverId: string;
  /**
   * Registers an open socket, and gives it a connection id. When the socket closes, the
   * connection is removed without further ado. Fails with `unauthorized` (`verifyToken`
   * said no), `capacity-reached`, `id-invalid` (the socket is registered already), `closed`
   * (it closed meanwhile), or `options-invalid` for what is no socket.
   */
  registerConnection(socket: S, userId: string, authToken?: string): Promise<string>;
  /**
   * Puts a connection into a room; that of another server by asking it. Nothing that is
   * sent to the room afterwards is missed. No-op for a member. Fails with `not-found`.
   */
  joinRoom(connectionId: string, roomId: string): Promise<void>;
  /** Takes a connection out of a room, wherever it is. No-op where it is not in it. */
  leaveRoom(connectionId: string, roomId: string): Promise<void>;
  /**
   * Sends to all members of a room on all servers; does nothing where it has none. Resolves
   * when the bus took it. Fails with `payload-unserializable` or `payload-too-large`, and with
   * `options-invalid` where `except` is no list of ids.
   */
  broadcastToRoom(roomId: string, message: unknown, options?: BroadcastOptions): Promise<void>;
  /**
   * Sends to one connection, wherever it is. `delivered`: a socket here took it; `sent`:
   * its server was reached, or so Redis counts: a client that subscribed to patterns of channels
   * counts too, and only `confirmMs` tells then; `not-found`: it is gone. Fails as
   * {@link broadcastToRoom}.
   */
  sendToConnection(connectionId: string, message: unknown): Promise<RouteOutcome>;
  /** The same; with `confirmMs` it is `delivered`, `not-found` or `timeout`. */
  sendToConnection(connectionId: string, message: unknown, options: Confirmation): Promise<ConfirmedOutcome>;
  /** Sends to all connections of a user; two round trips. As {@link sendToConnection}. */
  sendToUser(userId: string, message: unknown): Promise<RouteOutcome>;
  /** The same; with `confirmMs` it is `delivered`, `not-found` or `timeout`. */
  sendToUser(userId: string, message: unknown, options: Confirmation): Promise<ConfirmedOutcome>;
  /**
   * Forgets a connection and takes it out of its rooms. One of this server keeps its socket;
   * that of another server is closed there with 4004. No-op for one that is gone, and after
   * `shutdown`.
   */
  removeConnection(connectionId: string): Promise<void>;
  /** Costs O(servers) and O(partitions), not O(connections); two round trips. */
  getDistributedStats(): Promise<DistributedStats>;
  /** Servers whose lease lives; one that died is not among them from the moment its lease ran out. Two round trips. */
  getActiveServers(): Promise<ServerRecord[]>;
  /**
   * Whether this server works at this moment: its lease is held, and messages were seen to
   * come through. On a Cluster that may take a moment after the start, too.
   */
  isReady(): boolean;
  /**
   * Cleans up after a server whose lease ran out: takes its connections out of rooms and
   * registry. Every server does so by itself after its heartbeats, so calling it is
   * optional. Resolves with the number of connections that this call removed: 0 where the
   * server is unknown, or another call or server is cleaning up or has done so. A living server
   * is refused with `server-alive`. Costs O(the dead server's connections), in small steps.
   */
  handleServerFailure(serverId: string): Promise<number>;
  /**
   * Closes the sockets with 4201, withdraws everything from the store and lets go of it.
   * Idempotent: every call returns the same promise.
   */
  shutdown(): Promise<void>;
  /** As {@link shutdown}. */
  [Symbol.asyncDispose](): Promise<void>;
}
