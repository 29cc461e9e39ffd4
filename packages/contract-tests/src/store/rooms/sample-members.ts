import type { RoomMember } from "@cm/protocol";
import { type TestServer, times } from "../store-scenarios.js";

/** New connections of a server, each of a different user. */
export function membersOf({ ids }: TestServer, count: number): RoomMember[] {
  return times(count, () => {
    const connectionId = ids.next();
    return { connectionId, userId: `user of ${connectionId}` };
  });
}

/** Sorts members or connections by connection id, to compare them. */
export function byId<T extends { readonly connectionId: string }>(members: readonly T[]): T[] {
  return [...members].sort((a, b) => (a.connectionId < b.connectionId ? -1 : 1));
}
