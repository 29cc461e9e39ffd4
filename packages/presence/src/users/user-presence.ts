import { ownerOf, type PresenceChange, type UserConnection, type UserState } from "@cm/protocol";
import { metadataOf, sameJson } from "../metadata-json.js";

/** One of a user's connections. */
export interface PresenceConnection {
  /** The connection's id. */
  readonly connectionId: string;
  /** The server that holds the connection. */
  readonly serverId: string;
  /** The connection's metadata, a JSON value; `undefined` if there is none. */
  readonly metadata: unknown;
}

/** Whether a user is online, and the user's connections. */
export interface UserPresence {
  /** The user's name. */
  readonly userId: string;
  /** Whether the user is online. A user in the grace period is online, without a connection. */
  readonly status: "online" | "offline";
  /** The user's connections, in no particular order. */
  readonly connections: readonly PresenceConnection[];
  /**
   * When an offline user was last online, in milliseconds since the Unix epoch, by the store's clock.
   * `undefined` for an online user, and if the store no longer keeps this time.
   */
  readonly lastSeen: number | undefined;
  /** The version of the user's feed that this presence reflects. Later presences have a greater version. */
  readonly version: number;
}

/** Converts a user's state from the store into a presence. */
export function presenceOf({ userId, connections, isLeaving, lastSeen, version }: UserState): UserPresence {
  const isOnline = isLeaving || connections.length > 0;
  return {
    userId,
    status: isOnline ? "online" : "offline",
    connections: connections.map(({ connectionId, metadata }: UserConnection) =>
      connectionOf(connectionId, metadataOf(metadata)),
    ),
    lastSeen: isOnline ? undefined : lastSeen,
    version,
  };
}

/** Returns the presence of a user about whom nothing is known. */
export function absent(userId: string): UserPresence {
  return { userId, status: "offline", connections: [], lastSeen: undefined, version: 0 };
}

/** Returns a user's presence after a change. */
export function changed(before: UserPresence, change: PresenceChange): UserPresence {
  const { userId, connectionId, version, at } = change;
  if (change.kind === "offline") return { userId, status: "offline", connections: [], lastSeen: at, version };
  const others = before.connections.filter((connection) => connection.connectionId !== connectionId);
  if (change.kind === "closed" || connectionId === undefined) {
    // Keep the status: a user of a dead server was read as offline before, and losing that connection
    // does not make the user online.
    return { ...before, connections: others, version };
  }
  const connections = [...others, connectionOf(connectionId, change.metadata)];
  return { userId, status: "online", connections, lastSeen: undefined, version };
}

/**
 * Whether an online user has disappeared without an announcement: an announced leave sets
 * `lastSeen`. Either the lease of the user's server expired, or the store lost the user's data.
 */
export function isUnannounced(before: UserPresence | undefined, read: UserState): boolean {
  return isUnknown(read) && before?.status === "online";
}

/**
 * Whether the store knows nothing about a user. A user who was online and whose departure was announced
 * has a `lastSeen`.
 */
export function isUnknown({ isLeaving, connections, lastSeen }: UserState): boolean {
  return !isLeaving && connections.length === 0 && lastSeen === undefined;
}

/**
 * Merges a read that may be incomplete with the presence before it. Connections that the read lacks are
 * kept while their owners have time to restore them, unless `lastSeen` shows that the user left.
 */
export function withMissing(
  before: UserPresence,
  read: UserPresence,
  isAwaited: (connectionId: string) => boolean,
): UserPresence {
  if (read.status === "offline" && read.lastSeen !== undefined) return read;
  const known = new Set(read.connections.map(({ connectionId }) => connectionId));
  const missing = before.connections.filter(({ connectionId }) => !known.has(connectionId) && isAwaited(connectionId));
  if (missing.length === 0) return read;
  return { ...read, status: "online", connections: [...read.connections, ...missing], lastSeen: undefined };
}

/** Whether two presences of a user are equal, apart from `version` and `lastSeen`. */
export function isSamePresence(a: UserPresence, b: UserPresence): boolean {
  if (a.status !== b.status || a.connections.length !== b.connections.length) return false;
  const byId = new Map(a.connections.map((connection) => [connection.connectionId, connection]));
  return b.connections.every(({ connectionId, metadata }) => {
    const known = byId.get(connectionId);
    return known !== undefined && sameJson(known.metadata, metadata);
  });
}

function connectionOf(connectionId: string, metadata: unknown): PresenceConnection {
  return { connectionId, serverId: ownerOf(connectionId) ?? "", metadata };
}
