import { BATCH_MAX, inChunks } from "./batches.js";
import type { Commands } from "./commands.js";
import type { Keys } from "./keys.js";
import { toList, toStrings } from "./script.js";

/** What the reading needs. */
export interface SliceRoomsParts {
  readonly commands: Commands;
  readonly keys: Keys;
}

/** The rooms of a slice, a part of its index after the other, each room once. */
export async function* roomsOfSlice({ commands, keys }: SliceRoomsParts, slice: number): AsyncGenerator<string[]> {
  const index = keys.roomIndex(slice);
  const seen = new Set<string>();
  let cursor = "0";
  do {
    // Goes over one set, not over the keys; what stays in it is found, if twice at times.
    const reply = toList(await commands.send("sscan", [index, cursor, "COUNT", BATCH_MAX]));
    cursor = String(reply[0] ?? "0");
    const rooms = toStrings(reply[1]).filter((room) => !seen.has(room));
    for (const room of rooms) seen.add(room);
    yield* inChunks(rooms);
  } while (cursor !== "0");
}
