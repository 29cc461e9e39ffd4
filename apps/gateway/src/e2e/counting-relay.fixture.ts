import { once } from "node:events";
import { connect, createServer } from "node:net";
import { onTestFinished } from "vitest";

/** Bytes that one read of a {@link CountingRelay} returned. */
export interface Chunk {
  /** Number of the connection, from 0. */
  readonly link: number;
  readonly direction: "to-server" | "to-client";
  readonly bytes: Buffer;
}

/** A loopback port that forwards its connections to another port and records what passes. */
export interface CountingRelay {
  readonly port: number;
  /** The chunks in either direction since the last {@link CountingRelay.take}. */
  readonly chunks: readonly Chunk[];
  /** Returns the recorded chunks, and removes them from the record. */
  take(): Chunk[];
}

/**
 * Starts a relay that is closed after the test. A write of the sender is one chunk, unless the relay reads it together
 * with another one; that needs two writes without an answer in between.
 */
export async function startCountingRelay(serverPort: number): Promise<CountingRelay> {
  const chunks: Chunk[] = [];
  let links = 0;
  const relay = createServer({ noDelay: true }, (client) => {
    const link = links++;
    const server = connect({ port: serverPort, host: "127.0.0.1", noDelay: true });
    client.on("data", (bytes) => chunks.push({ link, direction: "to-server", bytes }));
    server.on("data", (bytes) => chunks.push({ link, direction: "to-client", bytes }));
    client.pipe(server).pipe(client);
    // If the connection on one side is cut, end the one on the other side too.
    for (const [socket, other] of [[client, server] as const, [server, client] as const]) {
      socket.on("error", () => undefined).on("close", () => other.destroy());
    }
  });
  await once(relay.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void relay.close());
  const address = relay.address();
  if (typeof address !== "object" || address === null) throw new Error("The relay has no port.");
  return { port: address.port, chunks, take: () => chunks.splice(0) };
}

/** Reads the commands in bytes to Redis, each as its arguments. The bytes of an incomplete command are ignored. */
export function redisCommands(bytes: Buffer): Buffer[][] {
  const commands: Buffer[][] = [];
  let at = 0;
  const readNumber = (mark: string): number => {
    const end = bytes.indexOf("\r\n", at);
    if (end === -1 || bytes.toString("latin1", at, at + 1) !== mark) return Number.NaN;
    const number = Number(bytes.toString("latin1", at + 1, end));
    at = end + 2;
    return number;
  };
  for (;;) {
    const command: Buffer[] = [];
    const count = readNumber("*");
    for (let index = 0; index < count; index++) {
      const length = readNumber("$");
      if (!(at + length <= bytes.length)) return commands;
      command.push(bytes.subarray(at, at + length));
      at += length + 2;
    }
    if (Number.isNaN(count)) return commands;
    commands.push(command);
  }
}
