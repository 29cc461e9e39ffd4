import { setTimeout as sleep } from "node:timers/promises";
import type { UwsConnection } from "./connection.js";

/** Between two batches. */
const PAUSE_MS = 20;

/** Fewer than this at a time are not worth a pause. */
const BATCH_MIN = 50;

/**
 * Closes all connections with `going-away`, in batches spread over at most `spreadMs`,
 * so that neither this process nor the place they go to next meets all of them at once.
 */
export async function sayGoodbyes<U>(connections: Iterable<UwsConnection<U>>, spreadMs: number): Promise<void> {
  const leaving = [...connections];
  const batches = Math.max(1, Math.floor(spreadMs / PAUSE_MS));
  const size = Math.max(BATCH_MIN, Math.ceil(leaving.length / batches));
  for (let from = 0; from < leaving.length; from += size) {
    if (from > 0) await sleep(PAUSE_MS);
    for (const connection of leaving.slice(from, from + size)) connection.close("going-away");
  }
}
