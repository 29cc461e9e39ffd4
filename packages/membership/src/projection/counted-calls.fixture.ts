import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** A relay before Redis that keeps what clients send. */
export interface CallRelay {
  readonly url: string;
  /** What was sent since the last call. */
  take(): string;
}

/** Starts a relay before the Redis at this address; it ends with the test. */
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

/** The calls of scripts in what was sent, each with its arguments; probes of the link are none. */
export function scriptCalls(sent: string): string[] {
  return sent.split(/(?=\*\d+\r\n\$7\r\nevalsha\r\n)/).filter((call) => /^\*\d+\r\n\$7\r\nevalsha\r\n/.test(call));
}
