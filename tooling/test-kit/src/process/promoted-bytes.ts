import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Steps between two minor garbage collections. */
const STEPS_EACH = 100;

/** Collections before the measurement, in which the program is compiled and its caches fill. */
const WARM_UP = 5;
const MEASURED = 21;

/**
 * Runs an asynchronous step again and again, with a minor garbage collection after each hundred, and resolves with the
 * number of bytes by which the old generation grows per step, the median of 21 collections. It grows by what is still
 * referred to, and by what only dead objects of the old generation refer to: that is copied now, and stays until the
 * next major collection.
 */
export async function promotedBytesPerStep(step: () => Promise<void>): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as (options?: { type: "minor" }) => void;
  const growth = async (): Promise<number> => {
    const before = oldBytes();
    for (let i = 0; i < STEPS_EACH; i++) await step();
    collect({ type: "minor" });
    return (oldBytes() - before) / STEPS_EACH;
  };
  for (let i = 0; i < WARM_UP; i++) await growth();
  collect();
  const all: number[] = [];
  for (let i = 0; i < MEASURED; i++) all.push(await growth());
  return all.toSorted((a, b) => a - b)[(MEASURED - 1) / 2] ?? Number.NaN;
}

function oldBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === "old_space")?.space_used_size ?? Number.NaN;
}
