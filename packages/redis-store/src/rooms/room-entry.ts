import type { RoomMember } from "@cm/protocol";

/** A member's entry in the room's sorted set. A connection id contains no `|`. */
export function roomEntryOf({ connectionId, userId }: RoomMember): string {
  return `${connectionId}|${userId}`;
}

/** Decodes an entry written by {@link roomEntryOf}. */
export function decodeMember(entry: string): RoomMember {
  const bar = entry.indexOf("|");
  return { connectionId: entry.slice(0, bar), userId: entry.slice(bar + 1) };
}
