import { type ConnectionRecord, parseConnectionId } from "@cm/protocol";

/**
 * The record of a connection as it lies on its shelf, without its rooms: a JSON array of the
 * user, the time of connecting, and what was added to it when the record was last written
 * (both in base 36). An array because Redis packs a hash tightly only while each value has at
 * most 64 bytes.
 */
export function encodeRecord({ userId, connectedAt, lastSeen }: Omit<ConnectionRecord, "rooms">): string {
  return JSON.stringify([userId, connectedAt.toString(36), (lastSeen - connectedAt).toString(36)]);
}

/** The digits of an entry's order, see `lua/shared/places.lua`. */
const ORDER_DIGITS = 13;

/** A room among those of a shelf. */
export interface Place {
  /** The connection's field. */
  readonly field: string;
  readonly room: string;
  /** Grows with each room that the connection comes into; fixed width. */
  readonly order: string;
}

/** Reads an entry of a shelf's rooms; `undefined` where it is none. */
export function decodePlace(entry: string): Place | undefined {
  const bar = entry.indexOf("|");
  const end = entry.length - ORDER_DIGITS;
  // Two digits of the name's length stand between.
  if (bar < 1 || end < bar + 3) return undefined;
  return { field: entry.slice(0, bar), room: entry.slice(bar + 3, end), order: entry.slice(end) };
}

/** The rooms of one connection, in the order in which it came into them. */
export function roomsOf(places: readonly Place[]): string[] {
  return [...places].sort((a, b) => (a.order < b.order ? -1 : 1)).map(({ room }) => room);
}

/** Reads what {@link encodeRecord} wrote; `undefined` where it is something else. */
export function decodeRecord(
  connectionId: string,
  value: string,
  places: readonly Place[],
): ConnectionRecord | undefined {
  const parts = parseArray(value);
  const [userId, connectedAtText, sinceText] = parts ?? [];
  if (userId === undefined || connectedAtText === undefined || sinceText === undefined) return undefined;
  const connectedAt = Number.parseInt(connectedAtText, 36);
  const lastSeen = connectedAt + Number.parseInt(sinceText, 36);
  if (!Number.isFinite(lastSeen)) return undefined;
  return { connectionId, userId, connectedAt, lastSeen, rooms: roomsOf(places) };
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
