import type { Membership } from "@cm/membership";
import { CmError, ownerOf, type RoomDirectory, type ServerFrame } from "@cm/protocol";
import type { PageCursors } from "./page-cursors.js";

/** What {@link readMembers} reads from. */
export interface MemberPageSources {
  /** This server's id, where clients may know the ids of servers. */
  readonly serverId: string | undefined;
  readonly rooms: Pick<RoomDirectory, "members" | "count">;
  readonly membership: Pick<Membership, "checkLease">;
  /** Seals the cursors of members pages. */
  readonly cursors: PageCursors;
}

/** Which page is asked for. */
export interface MemberPageRequest {
  readonly room: string;
  readonly limit: number;
  readonly cursor?: string | undefined;
  /** Whether a connection of this server is known to be in the room. */
  readonly isOccupied: boolean;
}

/** One page of a room's members, as the client is told. Fails with `unavailable` where they are not known for now. */
export async function readMembers(
  { serverId, rooms, membership, cursors }: MemberPageSources,
  { room, limit, cursor, isOccupied }: MemberPageRequest,
): Promise<Extract<ServerFrame, { type: "members" }>> {
  const from = cursor === undefined ? undefined : cursors.open(room, cursor);
  // In the same write: a store that lost the lease lost members too, or leaves them out.
  const [page, total, isHeld] = await Promise.all([
    rooms.members(room, { limit, cursor: from }),
    rooms.count(room),
    membership.checkLease(),
  ]);
  // This server may be writing again what the store lost.
  if (!isHeld || (total === 0 && isOccupied)) {
    throw new CmError("unavailable", "Who is in the room is not known for now.");
  }
  const members = page.items.map(({ connectionId, userId }) => ({
    connection: connectionId,
    user: userId,
    ...(serverId === undefined ? {} : { server: ownerOf(connectionId) ?? "" }),
  }));
  const next = page.cursor === undefined ? {} : { cursor: cursors.seal(room, page.cursor) };
  return { type: "members", room, members, total, ...next };
}
