import type { Redis } from "ioredis";

/**
 * Delay before a client that has ended reconnects, in milliseconds: about the longest delay between two
 * attempts of the client itself; see `nodeOptions`.
 */
const REVIVE_MS = 1_000;

/**
 * Reconnects a client whenever it has ended although the store did not disconnect it. Returns a function that
 * stops this.
 *
 * A client that connects through Sentinels ends permanently if a failover is announced while it asks a
 * Sentinel for the master: its listener for such announcements outlives the connection that it was made for,
 * and cancels whatever connection is being made at that time.
 */
export function keepConnected(client: Redis): () => void {
  let timer: NodeJS.Timeout | undefined;
  const revive = (): void => {
    timer = setTimeout(() => {
      // A failed attempt also emits an error event and ends the client again, which leads to the next
      // attempt.
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
