import { setTimeout as sleep } from "node:timers/promises";
import type { LocalConnectionManager } from "@cm/protocol";

/** Between two batches. */
const PAUSE_MS = 20;

/** Fewer than this at a time are not worth a pause. */
const BATCH_MIN = 50;

/** So that all of them are gone after some two seconds. */
const BATCHES_MAX = 100;

/** Closes connections with `going-away`, in batches, so that their next server does not meet all at once. */
export async function closePaced(
  connectionIds: readonly string[],
  local: Pick<LocalConnectionManager<never>, "remove">,
): Promise<void> {
  const size = Math.max(BATCH_MIN, Math.ceil(connectionIds.length / BATCHES_MAX));
  for (let from = 0; from < connectionIds.length; from += size) {
    if (from > 0) await sleep(PAUSE_MS);
    for (const connectionId of connectionIds.slice(from, from + size)) local.remove(connectionId, "going-away");
  }
}
