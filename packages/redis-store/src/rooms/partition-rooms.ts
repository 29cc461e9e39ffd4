import { BATCH_MAX, inChunks } from "../commands/argument-batches.js";
import type { Commands } from "../commands/redis-commands.js";
import type { Keys } from "../keys/key-names.js";
import { toList, toStrings } from "../scripts/script-definition.js";

/** Dependencies for reading a partition's rooms. */
export interface PartitionRoomsParts {
  readonly commands: Commands;
  readonly keys: Keys;
}

/** Yields the rooms of a partition in parts of its index, each room once. */
export async function* roomsOfPartition(
  { commands, keys }: PartitionRoomsParts,
  partition: number,
): AsyncGenerator<string[]> {
  const index = keys.roomIndex(partition);
  const seen = new Set<string>();
  let cursor = "0";
  do {
    // SSCAN iterates over this one set, not over all keys. It returns every room that stays in the set, some
    // of them twice.
    const reply = toList(await commands.send("sscan", [index, cursor, "COUNT", BATCH_MAX]));
    cursor = String(reply[0] ?? "0");
    const rooms = toStrings(reply[1]).filter((room) => !seen.has(room));
    for (const room of rooms) seen.add(room);
    yield* inChunks(rooms);
  } while (cursor !== "0");
}
