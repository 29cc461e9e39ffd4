import type { Redis } from "ioredis";

/** As long as the client itself waits at most between two tries; see `nodeOptions`. */
const REVIVE_MS = 1_000;

/**
 * Connects a client again that has ended without being told to; returns how to stop that.
 *
 * A client that goes through Sentinels ends for good where a failover is announced while it
 * asks one of them for the master: its listener for such news outlives the connection that
 * it was made for, and calls off whatever is being connected at the time.
 */
export function keepConnected(client: Redis): () => void {
  let timer: NodeJS.Timeout | undefined;
  const revive = (): void => {
    timer = setTimeout(() => {
      // A failure is an error event too, and ends in another try.
      if (client.status === "end") client.connect().catch(() => undefined);
    }, REVIVE_MS);
    timer.unref();
  };
  client.on("end", revive);
  return () => {
    clearTimeout(timer);
    client.off("end", revive);
  };
}
