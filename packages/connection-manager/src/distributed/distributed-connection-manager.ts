import type { Confirmation, ConfirmedOutcome, RouteOutcome } from "@cm/router";

/** A living server. */
export interface ServerRecord {
  /** The server's id. */
  readonly serverId: string;
  /** The host at which other machines reach the server, as configured. */
  readonly host: string;
  /** The port on that host, as configured. */
  readonly port: number;
  /** Number of connections as of the server's last heartbeat; for this server, the current number. */
  readonly activeConnections: number;
  /** When the server last sent a heartbeat, in milliseconds since the Unix epoch, by the store's clock. */
  readonly lastHeartbeat: number;
}

/**
 * Totals of the whole cluster at one moment. Connections and rooms of a dead server count until it is
 * cleaned up.
 */
export interface DistributedStats {
  /** Number of connections on all servers. */
  readonly totalConnections: number;
  /** Number of rooms with members. */
  readonly totalRooms: number;
  /** Number of servers with a valid lease. */
  readonly activeServers: number;
  /** Number of connections on this server. */
  readonly localConnections: number;
  /**
   * The servers with a valid lease. The numbers of another server are as of its last heartbeat, the time of
   * which is `lastHeartbeat`.
   */
  readonly serverStats: ServerRecord[];
}

/** Options of `broadcastToRoom`. */
export interface BroadcastOptions {
  /** Ids of connections that do not receive the message; at most 255. Default: none. */
  readonly except?: readonly string[];
}

/** Options of `sendToConnection` and `sendToUser`. */
export interface ConfirmOptions {
  /**
   * How long to wait for the owner to confirm delivery to a socket, in ms, 1 to 600,000. Default: does
   * not wait.
   */
  readonly confirmMs?: number;
}

/**
 * Sockets, rooms and messages across servers. Each method costs at most one round trip to the store, unless stated
 * otherwise. A message is any JSON value; sockets receive its JSON as one text message.
 *
 * In addition to the errors listed for each method, methods reject with `closed` after {@link shutdown}, with
 * `unavailable` or `timeout` if the store can't be reached, and with `id-invalid`, `name-invalid` or
 * `name-too-long` for an invalid id or name. A call that ends with `timeout` may have taken effect nevertheless; in
 * the other cases nothing has changed.
 */
export interface DistributedConnectionManager<S = unknown> {
  /** The id of this server. */
  readonly serverId: string;
  /**
   * Registers an open socket and gives it a connection id. When the socket closes, the connection is removed
   * automatically. Rejects with `unauthorized` (`verifyToken` rejected the token), `capacity-reached`,
   * `id-invalid` (the socket is registered already), `closed` (the socket closed during the registration), or
   * `options-invalid` if the value is not a socket.
   */
  registerConnection(socket: S, userId: string, authToken?: string): Promise<string>;
  /**
   * Adds a connection to a room. A connection of another server is added by a request to that server.
   * No message sent to the room afterwards is missed. Does nothing if the connection is a member
   * already. Rejects with `not-found`.
   */
  joinRoom(connectionId: string, roomId: string): Promise<void>;
  /**
   * Removes a connection from a room, on whichever server it is. Does nothing if the connection is not
   * a member.
   */
  leaveRoom(connectionId: string, roomId: string): Promise<void>;
  /**
   * Sends a message to all members of a room on all servers. Does nothing if the room has no members.
   * Resolves when the bus has accepted the message. Rejects with `payload-unserializable` or
   * `payload-too-large`, and with `options-invalid` if `except` is not a list of ids.
   */
  broadcastToRoom(roomId: string, message: unknown, options?: BroadcastOptions): Promise<void>;
  /**
   * Sends a message to one connection, on whichever server it is. `delivered`: a socket on this server accepted the
   * message. `sent`: the message was published, and the owner's channel had a subscriber. A client of Redis that
   * subscribes to a matching pattern is not counted as one, except for a moment after the first such client has
   * subscribed, or always if Redis does not permit `PUBSUB`. `not-found`: the connection is gone. Rejects with the same
   * errors as {@link broadcastToRoom}.
   */
  sendToConnection(connectionId: string, message: unknown): Promise<RouteOutcome>;
  /**
   * Like the overload above, but waits up to `confirmMs` for a confirmation. If the outcome is `timeout`, the
   * message may have been delivered nevertheless.
   */
  sendToConnection(connectionId: string, message: unknown, options: Confirmation): Promise<ConfirmedOutcome>;
  /**
   * Sends a message to all connections of a user; two round trips. Results and errors are those of
   * {@link sendToConnection}.
   */
  sendToUser(userId: string, message: unknown): Promise<RouteOutcome>;
  /**
   * Like the overload above, but waits up to `confirmMs` for a confirmation. If the outcome is `timeout`, the
   * message may have been delivered nevertheless.
   */
  sendToUser(userId: string, message: unknown, options: Confirmation): Promise<ConfirmedOutcome>;
  /**
   * Removes a connection from the registry and from its rooms. A socket of this server stays open; a
   * socket of another server is closed there with 4004. Does nothing if the connection is gone, and
   * after `shutdown`.
   */
  removeConnection(connectionId: string): Promise<void>;
  /** Reads totals of the cluster. Costs O(servers) and O(partitions), not O(connections); two round trips. */
  getDistributedStats(): Promise<DistributedStats>;
  /**
   * Lists the servers with a valid lease. A dead server is no longer listed from the moment its lease
   * expires. Two round trips.
   */
  getActiveServers(): Promise<ServerRecord[]>;
  /**
   * Whether this server can work at this moment: it holds its lease, and its link has proved that messages arrive.
   * On a Redis Cluster, this may become true only shortly after the start.
   */
  isReady(): boolean;
  /**
   * Cleans up a server whose lease has expired: removes its connections from rooms and from the
   * registry. Every server does this by itself after its heartbeats, so calling this method is
   * optional. Resolves with the number of connections that this call removed: 0 if the server is
   * unknown, or another call or server is cleaning up or has cleaned up. Rejects with `server-alive`
   * for a living server. Costs O(the dead server's connections), in small steps.
   */
  handleServerFailure(serverId: string): Promise<number>;
  /**
   * Closes the sockets with 4201, withdraws everything from the store and closes the link to it.
   * Idempotent: every call returns the same promise.
   */
  shutdown(): Promise<void>;
  /** The same as {@link shutdown}. */
  [Symbol.asyncDispose](): Promise<void>;
}
