import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** Something between a gateway and its Redis that sees what passes, and can hold it up. */
export interface Relay {
  readonly port: number;
  /** How many connections were made. */
  readonly connections: number;
  /** Lets everything pass that was held. */
  release(): void;
}

/** A relay to a port of the loopback address; gone after the test. */
export async function startRelay(
  targetPort: number,
  options: { readonly held?: boolean; readonly onChunk?: (nth: number) => void } = {},
): Promise<Relay> {
  const sockets = new Set<Socket>();
  const waiting = new Set<() => void>();
  let held = options.held ?? false;
  let connections = 0;
  let chunks = 0;
  const server = createServer((near) => {
    connections++;
    const open = (): void => {
      const far = connect(targetPort, "127.0.0.1");
      for (const [one, other] of [[near, far] as const, [far, near] as const]) {
        sockets.add(one);
        one.on("error", () => other.destroy());
        one.on("close", () => other.destroy());
      }
      near.on("data", () => options.onChunk?.(++chunks));
      near.pipe(far).pipe(near);
    };
    sockets.add(near);
    near.on("error", () => near.destroy());
    if (held) waiting.add(open);
    else open();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    port: (server.address() as AddressInfo).port, // What a TCP server that listens has.
    get connections() {
      return connections;
    },
    release() {
      held = false;
      for (const open of waiting) open();
      waiting.clear();
    },
  };
}
