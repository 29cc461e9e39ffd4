import type { PartitionReconciliation, ServerIncarnation } from "@cm/protocol";
import { inChunks } from "../commands/batches.js";
import { type PartitionRoomsParts, roomsOfPartition } from "../rooms/partition-rooms.js";
import { roomReconcile } from "../rooms/room-scripts.js";
import { readHolder } from "../servers/lease-fence.js";
import { userReconcile } from "../users/user-scripts.js";

/** The most entries of users that one call of a script goes over: about a millisecond of Redis's time. */
const ENTRIES_MAX = 1_000;

/**
 * As many as the last count goes over at a time: a few milliseconds. Partitions of no more are counted
 * in one step, whatever changes meanwhile.
 */
const LAST_ENTRIES_MAX = 3_000;

/** How often the users of a partition are counted before they are left for another time, since they keep changing. */
const COUNTS_MAX = 3;

/** The most rooms that one call of a script goes over. */
const ROOMS_MAX = 100;

/** The most members that one call of a script looks up: about a millisecond of Redis's time. */
const LOOK_UPS_MAX = 500;

/** Sets right how many users of a partition are online, and says whose connections it has. */
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

/** Sets right which rooms and games a partition has, and says whose members they have. */
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

/** Server id and incarnation, as connection ids begin with them. */
const HOLDER = /^[A-Za-z0-9_-]{1,64}\.[a-z0-9]{4}$/;

/** Leaves out what is no holder: an entry that no store wrote. */
function readHolders(holders: ReadonlySet<string>): ServerIncarnation[] {
  return [...holders].filter((holder) => HOLDER.test(holder)).map(readHolder);
}
