import type { HeldRoom, RoomMember } from "@cm/protocol";
import { BATCH_MAX, inChunks } from "./batches.js";
import type { Commands } from "./commands.js";
import type { Keys } from "./keys.js";
import { memberOf } from "./room-entry.js";
import { roomHeld } from "./room-scripts.js";
import { toList, toStrings } from "./script.js";

/** The most members that one call of a script reads. */
const HELD_MAX = 1_000;

/** What the reading needs. */
export interface HeldRoomsParts {
  readonly commands: Commands;
  readonly keys: Keys;
}

/**
 * The rooms of a slice in which a holder has members, with those: a part of the slice's
 * index after the other, and of each a limited number of members at a time.
 */
export async function readHeldRooms(parts: HeldRoomsParts, holder: string, slice: number): Promise<HeldRoom[]> {
  const { commands, keys } = parts;
  const index = keys.roomIndex(slice);
  const held: HeldRoom[] = [];
  const seen = new Set<string>();
  let cursor = "0";
  do {
    // Goes over one set, not over the keys; what stays in it is found, if twice at times.
    const reply = toList(await commands.send("sscan", [index, cursor, "COUNT", BATCH_MAX]));
    cursor = String(reply[0] ?? "0");
    const rooms = toStrings(reply[1]).filter((room) => !seen.has(room));
    for (const room of rooms) seen.add(room);
    for (const chunk of inChunks(rooms)) held.push(...(await readRooms(parts, holder, chunk)));
  } while (cursor !== "0");
  return held;
}

/** As {@link readHeldRooms}, of some rooms of one slice. */
async function readRooms({ commands, keys }: HeldRoomsParts, holder: string, rooms: readonly string[]) {
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
    for (const [i, entries] of reply.entries()) left[i]?.members.push(...entries.map(memberOf));
    const read = reply.reduce((sum, entries) => sum + entries.length, 0);
    // Where it was cut short, the last room may have more.
    at += read === HELD_MAX ? reply.length - 1 : left.length;
    after = reply.at(-1)?.at(-1) ?? "";
  }
  return found.filter(({ members }) => members.length > 0);
}
