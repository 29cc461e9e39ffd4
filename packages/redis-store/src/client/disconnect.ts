import { Cluster, type Redis } from "ioredis";

/**
 * Takes a client down for good. Errors that come of that are of no use: those of the client, and those of its streams,
 * of which it hears the first alone. A TLS handshake that is broken off can end in two: the certificate is refused, and
 * Redis answers with an alert.
 */
export function disconnect(client: Redis | Cluster): void {
  const ignore = (): void => undefined;
  client.on("error", ignore);
  for (const { stream } of client instanceof Cluster ? client.nodes() : [client]) stream?.on("error", ignore);
  client.disconnect();
}
