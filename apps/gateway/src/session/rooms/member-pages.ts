import type { Membership } from "@cm/membership";
import { CmError, ownerOf, type RoomDirectory, type ServerFrame } from "@cm/protocol";
import type { SignedCursors } from "./signed-cursors.js";

/** Sources that {@link readMembers} reads from. */
export interface MemberPageSources {
  /** This server's id, or `undefined` if clients must not see the ids of servers. */
  readonly serverId: string | undefined;
  readonly rooms: Pick<RoomDirectory, "members" | "count">;
  readonly membership: Pick<Membership, "checkLease">;
  /** Signs the cursors that are given to clients. */
  readonly cursors: SignedCursors;
}

/** The page to read. */
export interface MemberPageRequest {
  readonly room: string;
  readonly limit: number;
  readonly cursor?: string | undefined;
  /** Whether a connection of this server is in the room. */
  readonly isOccupied: boolean;
}

/**
 * Reads one page of a room's members, as a frame for the client. Rejects with `unavailable` if the members are
 * not known at the moment.
 */
export async function readMembers(
  { serverId, rooms, membership, cursors }: MemberPageSources,
  { room, limit, cursor, isOccupied }: MemberPageRequest,
): Promise<Extract<ServerFrame, { type: "members" }>> {
  const from = cursor === undefined ? undefined : cursors.verify(room, cursor);
  // Check the lease together with the reads, in one write: a store in which this server's lease is lost has
  // also lost members, or omits them.
  const [page, total, isHeld] = await Promise.all([
    rooms.members(room, { limit, cursor: from }),
    rooms.count(room),
    membership.checkLease(),
  ]);
  // A room that has a member on this server can't be empty: if the store says so, it has lost data, which this
  // server may be writing again.
  if (!isHeld || (total === 0 && isOccupied)) {
    throw new CmError("unavailable", "The room's members can't be determined at the moment.");
  }
  const members = page.items.map(({ connectionId, userId }) => ({
    connection: connectionId,
    user: userId,
    ...(serverId === undefined ? {} : { server: ownerOf(connectionId) ?? "" }),
  }));
  const next = page.cursor === undefined ? {} : { cursor: cursors.sign(room, page.cursor) };
  return { type: "members", room, members, total, ...next };
}
