import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A TCP relay in front of a server on this machine. */
export interface RecordingRelay {
  readonly port: number;
  close(): void;
}

/** What a relay tells about one connection. */
export interface RelayListener {
  /** Called before a chunk is passed on to the server. */
  toServer?(chunk: Buffer): void;
  /** Called before a chunk is passed on to the client. */
  toClient?(chunk: Buffer): void;
}

/**
 * Starts a relay in front of the server at this port. `onConnection` is called for each client, and returns what is
 * called with the bytes of that connection. Chunks are passed on as they arrive, without a delay.
 */
export async function startRecordingRelay(port: number, onConnection: () => RelayListener): Promise<RecordingRelay> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(port, "127.0.0.1");
    const listener = onConnection();
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => socket.destroy());
    }
    client.on("data", (chunk) => {
      listener.toServer?.(chunk);
      upstream.write(chunk);
    });
    upstream.on("data", (chunk) => {
      listener.toClient?.(chunk);
      client.write(chunk);
    });
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => client.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a port");
  return {
    port: address.port,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
