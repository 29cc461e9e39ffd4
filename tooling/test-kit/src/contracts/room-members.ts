import type { RoomMember } from "@cm/protocol";
import { type TestServer, times } from "./scenario.js";

/** New connections of a server, each of a user of its own. */
export function membersOf({ ids }: TestServer, count: number): RoomMember[] {
  return times(count, () => {
    const connectionId = ids.next();
    return { connectionId, userId: `user of ${connectionId}` };
  });
}

/** A list of members in one order, to compare. */
export function byId(members: readonly RoomMember[]): RoomMember[] {
  return [...members].sort((a, b) => (a.connectionId < b.connectionId ? -1 : 1));
}
