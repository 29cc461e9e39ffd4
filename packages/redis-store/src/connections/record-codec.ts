import { type ConnectionRecord, parseConnectionId } from "@cm/protocol";

/**
 * The record of a connection as it lies on its shelf: a JSON array of the user, the
 * time of connecting, what was added to it when the record was last written (both in
 * base 36), and the rooms. An array because Redis packs a hash tightly only while each
 * value has at most 64 bytes.
 */
export function encodeRecord(record: ConnectionRecord): string {
  const { userId, connectedAt, lastSeen, rooms } = record;
  return JSON.stringify([userId, connectedAt.toString(36), (lastSeen - connectedAt).toString(36), ...rooms]);
}

/** Reads what {@link encodeRecord} wrote; `undefined` where it is something else. */
export function decodeRecord(connectionId: string, value: string): ConnectionRecord | undefined {
  const parts = parseArray(value);
  const [userId, connectedAtText, sinceText, ...rooms] = parts ?? [];
  if (userId === undefined || connectedAtText === undefined || sinceText === undefined) return undefined;
  const connectedAt = Number.parseInt(connectedAtText, 36);
  const lastSeen = connectedAt + Number.parseInt(sinceText, 36);
  return Number.isFinite(lastSeen) ? { connectionId, userId, connectedAt, lastSeen, rooms } : undefined;
}

/** A connection id as a field of its owner's shelf: what comes after the server id. */
export function fieldOf(connectionId: string): string {
  return connectionId.slice(connectionId.indexOf(".") + 1);
}

/** The connection id of a field; `undefined` where it is none. */
export function connectionIdOf(serverId: string, field: string): string | undefined {
  const connectionId = `${serverId}.${field}`;
  return parseConnectionId(connectionId).ok ? connectionId : undefined;
}

function parseArray(value: string): string[] | undefined {
  try {
    const parsed: unknown = JSON.parse(value);
    const isList = Array.isArray(parsed) && parsed.every((item): item is string => typeof item === "string");
    return isList ? parsed : undefined;
  } catch {
    // Not JSON, so not a record of ours; JSON.parse has no other way to say so.
    return undefined;
  }
}
