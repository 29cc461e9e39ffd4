import { ownerOf, type PresenceChange, type UserConnection, type UserState } from "@cm/protocol";
import { metadataOf, sameJson } from "../metadata.js";

/** One of a user's connections. */
export interface PresenceConnection {
  /** The connection's id. */
  readonly connectionId: string;
  /** The server that holds it. */
  readonly serverId: string;
  /** What it says about itself: a value of JSON; `undefined` for nothing. */
  readonly metadata: unknown;
}

/** Whether a user is there, and with what. */
export interface UserPresence {
  /** The user's name. */
  readonly userId: string;
  /** A user whose grace period runs is online, without a connection. */
  readonly status: "online" | "offline";
  /** In no particular order. */
  readonly connections: readonly PresenceConnection[];
  /**
   * Of an offline user: when they were last online, in milliseconds since the Unix epoch of
   * the store's clock, for as long as the store remembers it.
   */
  readonly lastSeen: number | undefined;
  /** As of which change of the user's feed this is. Grows. */
  readonly version: number;
}

/** A user as a store tells it. */
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

/** A user of whom nothing is known. */
export function absent(userId: string): UserPresence {
  return { userId, status: "offline", connections: [], lastSeen: undefined, version: 0 };
}

/** A user after a change. */
export function changed(before: UserPresence, change: PresenceChange): UserPresence {
  const { userId, connectionId, version, at } = change;
  if (change.kind === "offline") return { userId, status: "offline", connections: [], lastSeen: at, version };
  const others = before.connections.filter((connection) => connection.connectionId !== connectionId);
  if (change.kind === "closed" || connectionId === undefined) {
    // Readers saw a user of a dead server as offline before; losing that connection is no return.
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
  const isGone = !read.isLeaving && read.connections.length === 0 && read.lastSeen === undefined;
  return isGone && before?.status === "online";
}

/**
 * Merges a read that may be incomplete with the state before it: connections that the store does
 * not show are kept until their owners had time to restore them, unless `lastSeen` says that the
 * user left.
 */
export function withMissing(before: UserPresence, read: UserPresence): UserPresence {
  if (read.status === "offline" && read.lastSeen !== undefined) return read;
  const known = new Set(read.connections.map(({ connectionId }) => connectionId));
  const missing = before.connections.filter(({ connectionId }) => !known.has(connectionId));
  if (missing.length === 0) return read;
  return { ...read, status: "online", connections: [...read.connections, ...missing], lastSeen: undefined };
}

/** Whether two states of a user are equal, apart from `version` and `lastSeen`. */
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
