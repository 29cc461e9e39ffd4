import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** A TCP relay in front of Redis that records the bytes that clients send. */
export interface CallRelay {
  readonly url: string;
  /** Returns the bytes that clients sent since the last call, as Latin-1 text. */
  take(): string;
}

/** Starts a relay in front of the Redis at this URL. The relay is closed when the test finishes. */
export async function startRelay(redisUrl: string): Promise<CallRelay> {
  const port = Number(new URL(redisUrl).port);
  const sockets = new Set<Socket>();
  let sent = "";
  const server = createServer((client) => {
    const upstream = connect(port, "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
    }
    client.on("data", (chunk) => {
      sent += chunk.toString("latin1");
    });
    client.pipe(upstream).pipe(client);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a port");
  return {
    url: `redis://127.0.0.1:${address.port}`,
    take: () => {
      const taken = sent;
      sent = "";
      return taken;
    },
  };
}

/** Extracts the script calls from recorded bytes, each with its arguments. Probes of the link are not script calls. */
export function scriptCalls(sent: string): string[] {
  return sent.split(/(?=\*\d+\r\n\$7\r\nevalsha\r\n)/).filter((call) => /^\*\d+\r\n\$7\r\nevalsha\r\n/.test(call));
}
