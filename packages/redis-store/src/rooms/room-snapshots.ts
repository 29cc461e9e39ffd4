import type { HeldRoom, RoomMember } from "@cm/protocol";
import { type PartitionRoomsParts, roomsOfPartition } from "./partition-rooms.js";
import { decodeMember } from "./room-entry.js";
import { roomHeld } from "./room-scripts.js";

/** Maximum number of members that one script call reads. */
const HELD_MAX = 1_000;

/**
 * Reads the rooms of a partition in which a holder has members, with these members. Reads the partition's
 * index in parts, and a limited number of members per call.
 */
export async function readHeldRooms(
  parts: PartitionRoomsParts,
  holder: string,
  partition: number,
): Promise<HeldRoom[]> {
  const held: HeldRoom[] = [];
  for await (const rooms of roomsOfPartition(parts, partition)) held.push(...(await readRooms(parts, holder, rooms)));
  return held;
}

/** Like {@link readHeldRooms}, for some rooms of one partition. */
async function readRooms({ commands, keys }: PartitionRoomsParts, holder: string, rooms: readonly string[]) {
  const found = rooms.map((room): { readonly room: string; readonly members: RoomMember[] } => ({ room, members: [] }));
  let at = 0;
  let after = "";
  while (at < found.length) {
    const left = found.slice(at);
    const reply = await commands.run(roomHeld, {
      rooms: left.map(({ room }) => keys.roomKeys(room)),
      holder,
      after,
      most: HELD_MAX,
    });
    for (const [i, entries] of reply.entries()) left[i]?.members.push(...entries.map(decodeMember));
    const read = reply.reduce((sum, entries) => sum + entries.length, 0);
    // If the limit was reached, the last room may have more members: read it again from its last entry.
    at += read === HELD_MAX ? reply.length - 1 : left.length;
    after = reply.at(-1)?.at(-1) ?? "";
  }
  return found.filter(({ members }) => members.length > 0);
}
