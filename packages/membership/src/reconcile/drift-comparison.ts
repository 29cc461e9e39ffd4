import type { ConnectionRecord, HeldRoom, RoomMember, UserConnection } from "@cm/protocol";
import type { LocalConnection, LocalConnections } from "../connections/local-connections.js";

/** Whether a connection was being changed while the store was read, so that nothing can be said of it. */
export type IsTouched = (connectionId: string) => boolean;

/** Where a room's members differ. */
export interface RoomDifference {
  readonly room: string;
  readonly missing: readonly LocalConnection[];
  readonly stray: readonly RoomMember[];
}

/** Where users' connections differ. */
export interface UserDifference {
  readonly missing: readonly LocalConnection[];
  readonly stray: readonly UserConnection[];
  /** Held with other metadata. */
  readonly wrong: readonly LocalConnection[];
}

/** Where records differ. */
export interface RecordDifference {
  readonly missing: readonly LocalConnection[];
  readonly stray: readonly ConnectionRecord[];
  readonly wrong: readonly ConnectionRecord[];
}

/** The rooms of a partition that the store holds otherwise than they are. */
export function compareRooms(
  local: LocalConnections,
  partition: number,
  held: readonly HeldRoom[],
  isTouched: IsTouched,
): RoomDifference[] {
  const members = new Map(held.map((room) => [room.room, room.members]));
  const rooms = new Set([...members.keys(), ...local.roomsOfPartition(partition)]);
  return [...rooms].flatMap((room) => {
    const known = new Set<string>();
    const stray: RoomMember[] = [];
    for (const member of members.get(room) ?? []) {
      const { connectionId, userId } = member;
      const connection = local.get(connectionId);
      if (connection?.userId === userId && connection.rooms.has(room)) known.add(connectionId);
      else if (!isTouched(connectionId)) stray.push(member);
    }
    const missing = [...local.membersOf(room)].filter(
      ({ connectionId }) => !known.has(connectionId) && !isTouched(connectionId),
    );
    return missing.length + stray.length === 0 ? [] : [{ room, missing, stray }];
  });
}

/** The users of a partition that the store holds otherwise than they are. */
export function compareUsers(
  local: LocalConnections,
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
  const missing: LocalConnection[] = [];
  const wrong: LocalConnection[] = [];
  for (const connection of local.connectionsOfPartition(partition)) {
    // One whose metadata the store has not taken yet is written, and told, by itself.
    if (isTouched(connection.connectionId) || !connection.isAnnounced) continue;
    const entry = known.get(connection.connectionId);
    if (entry === undefined) missing.push(connection);
    else if (entry.metadata !== connection.metadata) wrong.push(connection);
  }
  return { missing, stray, wrong };
}

/** The records of a shelf that the store holds otherwise than they should be. */
export function compareRecords(
  local: LocalConnections,
  shelf: number,
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
  const missing = [...local.connectionsOnShelf(shelf)].filter(
    ({ connectionId }) => !known.has(connectionId) && !isTouched(connectionId),
  );
  return { missing, stray, wrong };
}

/** When it was last seen is not compared: it is as of the record's last write. */
function isRecordOf(record: ConnectionRecord, { userId, connectedAt, rooms }: LocalConnection): boolean {
  return (
    record.userId === userId &&
    record.connectedAt === connectedAt &&
    record.rooms.length === rooms.size &&
    record.rooms.every((room) => rooms.has(room))
  );
}
