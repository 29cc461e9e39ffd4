import type { RoomMember } from "@cm/protocol";

/** A member as it lies in the room's sorted set; no connection id has a `|`. */
export function roomEntryOf({ connectionId, userId }: RoomMember): string {
  return `${connectionId}|${userId}`;
}

/** Reads what {@link roomEntryOf} wrote. */
export function memberOf(entry: string): RoomMember {
  const bar = entry.indexOf("|");
  return { connectionId: entry.slice(0, bar), userId: entry.slice(bar + 1) };
}
