import { isHolder, type PartitionReconciliation, readHolder, type ServerIncarnation } from "@cm/protocol";
import { inChunks } from "../commands/argument-batches.js";
import { type PartitionRoomsParts, roomsOfPartition } from "../rooms/partition-rooms.js";
import { roomReconcile } from "../rooms/room-scripts.js";
import { userReconcile } from "../users/user-scripts.js";

/** Maximum number of user entries that one script call goes through: about a millisecond of Redis's time. */
const ENTRIES_MAX = 1_000;

/**
 * Like {@link ENTRIES_MAX}, for the last count: a few milliseconds of Redis's time. A partition with fewer entries
 * is counted in one step, so that changes during the count do not matter.
 */
const LAST_ENTRIES_MAX = 3_000;

/**
 * Maximum number of times that the users of a partition are counted. If they changed during each count, the
 * correction is left for a later call.
 */
const COUNTS_MAX = 3;

/** Maximum number of rooms that one script call goes through. */
const ROOMS_MAX = 100;

/** Maximum number of members that one script call looks up: about a millisecond of Redis's time. */
const LOOK_UPS_MAX = 500;

/**
 * Corrects the number of online users of a partition and its list of users in their grace period. Returns the
 * incarnations that own its connections.
 */
export async function reconcileUsers(
  { commands, keys, connectionTtlMs: ttlMs }: PartitionRoomsParts & { readonly connectionTtlMs: number },
  partition: number,
): Promise<PartitionReconciliation> {
  const partitionKeys = keys.userPartition(partition);
  const holders = new Set<string>();
  let repaired = 0;
  for (let counts = 0; counts < COUNTS_MAX; counts++) {
    const most = counts === COUNTS_MAX - 1 ? LAST_ENTRIES_MAX : ENTRIES_MAX;
    let step = { after: "", counted: 0, mark: "" };
    for (;;) {
      const part = await commands.run(userReconcile, { ...partitionKeys, ...step, most, ttlMs });
      for (const holder of part.holders) holders.add(holder);
      repaired += part.repaired;
      if (part.ended && !part.changed) return { repaired, holders: readHolders(holders) };
      if (part.ended) break;
      step = { after: part.last, counted: part.counted, mark: step.mark === "" ? part.mark : step.mark };
    }
  }
  return { repaired, holders: readHolders(holders) };
}

/**
 * Corrects the indexes of rooms and records of a partition, and returns the incarnations that own its
 * members.
 */
export async function reconcileRooms(parts: PartitionRoomsParts, partition: number): Promise<PartitionReconciliation> {
  const { commands, keys } = parts;
  const holders = new Set<string>();
  let repaired = 0;
  for await (const batch of roomsOfPartition(parts, partition)) {
    for (const chunk of inChunks(batch, ROOMS_MAX)) {
      let rooms = chunk.map((room) => keys.roomKeys(room));
      let after = "";
      for (let [first] = rooms; first !== undefined; [first] = rooms) {
        const { index, records } = first;
        const part = await commands.run(roomReconcile, { index, records, rooms, after, most: LOOK_UPS_MAX });
        for (const holder of part.holders) holders.add(holder);
        repaired += part.repaired;
        rooms = rooms.slice(part.finished);
        after = part.after;
      }
    }
  }
  return { repaired, holders: readHolders(holders) };
}

/** Parses holders. Leaves out those that are not valid: they come from entries that no store wrote. */
function readHolders(holders: ReadonlySet<string>): ServerIncarnation[] {
  return [...holders].filter(isHolder).map(readHolder);
}
