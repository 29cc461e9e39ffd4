import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Steps between two minor garbage collections. */
const STEPS_EACH = 100;

/** Collections before the measurement, in which the program is compiled and its caches fill. */
const WARM_UP = 5;
const MEASURED = 20;

/**
 * Runs an asynchronous step again and again, with a minor garbage collection after each hundred, and resolves with the
 * number of bytes by which the old generation has grown per step. It grows by what is still referred to, and by what
 * only dead objects of the old generation refer to: that is copied now, and stays until the next major collection.
 */
export async function promotedBytesPerStep(step: () => Promise<void>): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as (options?: { type: "minor" }) => void;
  const run = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      for (let j = 0; j < STEPS_EACH; j++) await step();
      collect({ type: "minor" });
    }
  };
  await run(WARM_UP);
  collect();
  const before = oldBytes();
  await run(MEASURED);
  return (oldBytes() - before) / (MEASURED * STEPS_EACH);
}

function oldBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === "old_space")?.space_used_size ?? Number.NaN;
}
