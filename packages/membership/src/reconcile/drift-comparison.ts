import type { ConnectionRecord, HeldRoom, RoomMember, UserConnection } from "@cm/protocol";
import type { OwnedConnection } from "../connections/owned-connection.js";
import type { OwnedConnections } from "../connections/owned-connections.js";

/** Whether a connection was being changed while the store was read, so that a difference proves nothing. */
export type IsTouched = (connectionId: string) => boolean;

/** The differences between a room's members in the store and in the local state. */
export interface RoomDifference {
  readonly room: string;
  readonly missing: readonly OwnedConnection[];
  readonly stray: readonly RoomMember[];
}

/** The differences between users' connections in the store and in the local state. */
export interface UserDifference {
  readonly missing: readonly OwnedConnection[];
  readonly stray: readonly UserConnection[];
  /** Connections whose metadata in the store is outdated. */
  readonly wrong: readonly OwnedConnection[];
}

/** The differences between the records in the store and in the local state. */
export interface RecordDifference {
  readonly missing: readonly OwnedConnection[];
  readonly stray: readonly ConnectionRecord[];
  readonly wrong: readonly ConnectionRecord[];
}

/** Compares the rooms of a partition in the store with the local state. Returns the rooms that differ. */
export function compareRooms(
  local: OwnedConnections,
  partition: number,
  held: readonly HeldRoom[],
  isTouched: IsTouched,
): RoomDifference[] {
  const members = new Map(held.map((room) => [room.room, room.members]));
  const rooms = new Set([...members.keys(), ...local.rooms.ofPartition(partition)]);
  return [...rooms].flatMap((room) => {
    const known = new Set<string>();
    const stray: RoomMember[] = [];
    for (const member of members.get(room) ?? []) {
      const { connectionId, userId } = member;
      const connection = local.get(connectionId);
      if (connection?.userId === userId && connection.rooms.has(room)) known.add(connectionId);
      else if (!isTouched(connectionId)) stray.push(member);
    }
    const missing = [...local.rooms.membersOf(room)].filter(
      ({ connectionId }) => !known.has(connectionId) && !isTouched(connectionId),
    );
    return missing.length + stray.length === 0 ? [] : [{ room, missing, stray }];
  });
}

/** Compares the users of a partition in the store with the local state. */
export function compareUsers(
  local: OwnedConnections,
  partition: number,
  held: readonly UserConnection[],
  isTouched: IsTouched,
): UserDifference {
  const known = new Map<string, UserConnection>();
  const stray: UserConnection[] = [];
  for (const entry of held) {
    if (local.get(entry.connectionId)?.userId === entry.userId) known.set(entry.connectionId, entry);
    else if (!isTouched(entry.connectionId)) stray.push(entry);
  }
  const missing: OwnedConnection[] = [];
  const wrong: OwnedConnection[] = [];
  for (const connection of local.connectionsOfPartition(partition)) {
    // Metadata that the store has not acknowledged yet is written and announced by its own update.
    if (isTouched(connection.connectionId) || !connection.isAnnounced) continue;
    const entry = known.get(connection.connectionId);
    if (entry === undefined) missing.push(connection);
    else if (entry.metadata !== connection.metadata) wrong.push(connection);
  }
  return { missing, stray, wrong };
}

/** Compares the records of a record partition in the store with the local state. */
export function compareRecords(
  local: OwnedConnections,
  recordPartition: number,
  held: readonly ConnectionRecord[],
  isTouched: IsTouched,
): RecordDifference {
  const known = new Set<string>();
  const stray: ConnectionRecord[] = [];
  const wrong: ConnectionRecord[] = [];
  for (const record of held) {
    known.add(record.connectionId);
    if (isTouched(record.connectionId)) continue;
    const connection = local.get(record.connectionId);
    if (connection === undefined) stray.push(record);
    else if (!isRecordOf(record, connection)) wrong.push(record);
  }
  const missing = [...local.connectionsInPartition(recordPartition)].filter(
    ({ connectionId }) => !known.has(connectionId) && !isTouched(connectionId),
  );
  return { missing, stray, wrong };
}

/**
 * Whether a record matches a connection. `lastSeen` is not compared, because it is updated only when the
 * record is written.
 */
function isRecordOf(record: ConnectionRecord, { userId, connectedAt, rooms }: OwnedConnection): boolean {
  return (
    record.userId === userId &&
    record.connectedAt === connectedAt &&
    record.rooms.length === rooms.size &&
    record.rooms.every((room) => rooms.has(room))
  );
}
