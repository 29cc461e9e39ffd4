import { BATCH_MAX, inChunks } from "../commands/batches.js";
import type { Commands } from "../commands/commands.js";
import type { Keys } from "../keys/keys.js";
import { toList, toStrings } from "../scripts/script.js";

/** What the reading needs. */
export interface PartitionRoomsParts {
  readonly commands: Commands;
  readonly keys: Keys;
}

/** The rooms of a partition, a part of its index after the other, each room once. */
export async function* roomsOfPartition(
  { commands, keys }: PartitionRoomsParts,
  partition: number,
): AsyncGenerator<string[]> {
  const index = keys.roomIndex(partition);
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
