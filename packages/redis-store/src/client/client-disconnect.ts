import { Cluster, type Redis } from "ioredis";

/**
 * Disconnects a client permanently. Ignores the errors that result: those of the client, and those of its streams,
 * because the client listens only for the first error of a stream. An aborted TLS handshake can cause two: the
 * certificate is rejected, and Redis responds with an alert.
 */
export function disconnect(client: Redis | Cluster): void {
  const ignore = (): void => undefined;
  client.on("error", ignore);
  for (const { stream } of client instanceof Cluster ? client.nodes() : [client]) stream?.on("error", ignore);
  client.disconnect();
}
