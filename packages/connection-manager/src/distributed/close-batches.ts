import { setTimeout as sleep } from "node:timers/promises";
import type { LocalConnectionManager } from "@cm/protocol";

/** Pause between two batches, in milliseconds. */
const PAUSE_MS = 20;

/** Minimum batch size: fewer connections at a time are not worth a pause. */
const BATCH_MIN = 50;

/** Maximum number of batches, so that all connections are closed after about two seconds. */
const BATCHES_MAX = 100;

/**
 * Closes connections with `going-away`, in batches, so that not all clients reconnect to other servers
 * at once.
 */
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
