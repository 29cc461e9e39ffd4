import { SLOT_COUNT, slotOf } from "./hash-slots.js";

/**
 * One hash tag per partition, with evenly spread slots: partition `i` gets the first label (`<letter>.0`,
 * `<letter>.1`, ... in base 36) whose slot lies in the i-th of equal intervals. With arbitrary tags, some
 * masters of a Cluster would get far more partitions than others, and with few partitions some would get
 * none.
 *
 * The dot distinguishes the tags from server ids, which are hash tags as well.
 */
export function partitionTags(letter: "r" | "u", partitions: number): readonly string[] {
  const tags: (string | undefined)[] = Array.from({ length: partitions });
  for (let label = 0, found = 0; found < partitions; label++) {
    const tag = `${letter}.${label.toString(36)}`;
    const interval = Math.floor((slotOf(tag) * partitions) / SLOT_COUNT);
    if (tags[interval] !== undefined) continue;
    tags[interval] = tag;
    found++;
  }
  return tags.map((tag) => tag ?? "");
}
