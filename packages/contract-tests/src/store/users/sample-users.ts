import { type PresenceChange, partitionOf, type Store, type UserConnection } from "@cm/protocol";
import { type TestServer, times } from "../store-scenarios.js";

/** Removes a user's last connection without a grace period. */
export const AT_ONCE = { graceMs: 0 };

/** New connections of a user, on a server. */
export function connectionsOf({ ids }: TestServer, userId: string, count: number): UserConnection[] {
  return times(count, () => ({ userId, connectionId: ids.next() }));
}

/** A new connection of a user on a server, optionally with metadata. */
export function connectionOf({ ids }: TestServer, userId: string, metadata?: string): UserConnection {
  const connection = { userId, connectionId: ids.next() };
  return metadata === undefined ? connection : { ...connection, metadata };
}

/** The sorted ids of connections, to compare them. */
export function idsOf(connections: readonly UserConnection[]): string[] {
  return connections.map(({ connectionId }) => connectionId).sort();
}

/** Connections sorted by id, to compare them. */
export function byConnection(connections: readonly UserConnection[]): UserConnection[] {
  return [...connections].sort((a, b) => (a.connectionId < b.connectionId ? -1 : 1));
}

/** Ids of users in the same partition, who share a feed. */
export function usersOfOneFeed({ partitions }: Store, count: number): string[] {
  const found: string[] = [];
  for (let i = 0; found.length < count; i++) {
    const userId = `neighbour-${i}`;
    if (partitionOf(userId, partitions) === partitionOf(found[0] ?? userId, partitions)) found.push(userId);
  }
  return found;
}

/** Changes in short form: kind, user and connection. */
export function inShort(changes: readonly PresenceChange[]): string[] {
  return changes.map(({ kind, userId, connectionId }) => [kind, userId, connectionId].filter(Boolean).join(" "));
}
