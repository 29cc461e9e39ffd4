import type { Node } from "@cm/node";
import { CmError, ownerOf, type RoomDirectory, type ServerFrame } from "@cm/protocol";
import type { SignedCursors } from "./signed-cursors.js";

/** Sources that {@link readMembers} reads from. */
export interface MemberPageSources {
  /** This server's id, or `undefined` if clients must not see the ids of servers. */
  readonly serverId: string | undefined;
  readonly rooms: Pick<RoomDirectory, "members" | "count">;
  readonly presence: Pick<Node["presence"], "readComplete">;
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
  { serverId, rooms, presence, cursors }: MemberPageSources,
  { room, limit, cursor, isOccupied }: MemberPageRequest,
): Promise<Extract<ServerFrame, { type: "members" }>> {
  const from = cursor === undefined ? undefined : cursors.verify(room, cursor);
  // Answer at once, because a page that waits would hold up those of other clients.
  const [page, total] = await presence.readComplete(
    () => Promise.all([rooms.members(room, { limit, cursor: from }), rooms.count(room)]),
    { waitMs: 0 },
  );
  // A room that has a member on this server can't be empty: if the store says so, it has lost data, which this
  // server may be writing again.
  if (total === 0 && isOccupied) {
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
