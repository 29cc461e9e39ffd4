import { type ConnectionRecord, parseConnectionId } from "@cm/protocol";

/**
 * Encodes a connection's record, without its rooms, for its record partition: a JSON array of the user, the time of
 * connecting, and the time from then to `lastSeen` (both in base 36). It is an array because Redis stores a
 * hash compactly only while each value has at most 64 bytes.
 */
export function encodeRecord({ userId, connectedAt, lastSeen }: Omit<ConnectionRecord, "rooms">): string {
  return JSON.stringify([userId, connectedAt.toString(36), (lastSeen - connectedAt).toString(36)]);
}

/** Number of digits of an entry's order; see `lua/shared/joined-rooms.lua`. */
const ORDER_DIGITS = 13;

/**
 * The head of the entry of a connection's room in the record partition: the connection's field, a `|`, which no field
 * contains, the length of the room's name in bytes as two hexadecimal digits, and the name. Without the length, an
 * entry of room `a` could not be distinguished from one of a room named `a` followed by digits.
 */
export function joinedRoomHead(field: string, room: string): string {
  return `${field}|${Buffer.byteLength(room).toString(16).padStart(2, "0")}${room}`;
}

/** A room entry of a record partition. */
export interface JoinedRoom {
  /** The connection's field. */
  readonly field: string;
  readonly room: string;
  /** Text of fixed width that increases with each room that the connection joins. */
  readonly order: string;
}

/** Decodes a room entry of a record partition; `undefined` if it is not valid. */
export function decodeJoinedRoom(entry: string): JoinedRoom | undefined {
  const bar = entry.indexOf("|");
  const end = entry.length - ORDER_DIGITS;
  // Between the bar and the room's name are two digits, the length of the name.
  if (bar < 1 || end < bar + 3) return undefined;
  return { field: entry.slice(0, bar), room: entry.slice(bar + 3, end), order: entry.slice(end) };
}

/** The rooms of one connection, in the order in which the connection joined them. */
export function roomsOf(joined: readonly JoinedRoom[]): string[] {
  return [...joined].sort((a, b) => (a.order < b.order ? -1 : 1)).map(({ room }) => room);
}

/** Decodes a value written by {@link encodeRecord}; `undefined` if it is not valid. */
export function decodeRecord(
  connectionId: string,
  value: string,
  joined: readonly JoinedRoom[],
): ConnectionRecord | undefined {
  const parts = parseArray(value);
  const [userId, connectedAtText, sinceText] = parts ?? [];
  if (userId === undefined || connectedAtText === undefined || sinceText === undefined) return undefined;
  const connectedAt = Number.parseInt(connectedAtText, 36);
  const lastSeen = connectedAt + Number.parseInt(sinceText, 36);
  if (!Number.isFinite(lastSeen)) return undefined;
  return { connectionId, userId, connectedAt, lastSeen, rooms: roomsOf(joined) };
}

/** The field of a connection in its owner's record partition: the part of the connection id after the server id. */
export function fieldOf(connectionId: string): string {
  return connectionId.slice(connectionId.indexOf(".") + 1);
}

/** The connection id of a field; `undefined` if the field is not valid. */
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
    // Not JSON, so not a record of this project. JSON.parse reports that only by throwing.
    return undefined;
  }
}
