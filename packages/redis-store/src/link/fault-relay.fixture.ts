import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** The connections of a store that a fault affects. */
export type RelayRole = "commands" | "subscriber";

/** A relay between a store and its Redis that injects faults. */
export interface FaultRelay {
  readonly url: string;
  /**
   * From now on, no data from Redis reaches the current connections: they are half open, and stay so when the store
   * ends its side. New connections work.
   */
  swallowReplies(role: RelayRole): void;
  /**
   * Like {@link swallowReplies}, for the next connection that subscribes, beginning with its subscribe
   * command: it gets no acknowledgement.
   */
  swallowNextSubscribe(): void;
  /** The port that new connections are relayed to from now on. Existing connections are not affected. */
  redirect(targetPort: number): void;
  /** Breaks the current connections. */
  cut(role: RelayRole): void;
  /** Stops reading from the current and from new connections, like a host that hangs. */
  hang(): void;
  /** Ends `hang`: delayed data is passed on. */
  release(): void;
  /** Number of connections made so far. */
  readonly connections: number;
}

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
  role: RelayRole | undefined;
  swallows: boolean;
}

/** Starts a relay to a port of the loopback address. It is stopped when the test ends. */
export async function startFaultRelay(targetPort: number): Promise<FaultRelay> {
  const pairs = new Set<Pair>();
  let isHanging = false;
  let connections = 0;
  let target = targetPort;
  let swallowsSubscribe = false;
  const server = createServer({ allowHalfOpen: true }, (near) => {
    connections++;
    const far = connect(target, "127.0.0.1");
    const pair: Pair = { near, far, role: undefined, swallows: false };
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) socket.on("error", end).on("close", end);
    near.on("end", () => {
      if (!pair.swallows) near.end();
    });
    near.on("data", (chunk) => {
      const text = chunk.toString("latin1");
      pair.role ??= roleOf(text);
      if (swallowsSubscribe && /\bsubscribe\r\n/i.test(text)) {
        pair.swallows = true;
        swallowsSubscribe = false;
      }
      far.write(chunk);
    });
    far.on("data", (chunk) => {
      if (!pair.swallows) near.write(chunk);
    });
    if (isHanging) near.pause();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    for (const { near, far } of pairs) for (const socket of [near, far]) socket.destroy();
    server.close();
  });
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`, // A TCP server has an AddressInfo.
    get connections() {
      return connections;
    },
    swallowReplies(role) {
      for (const pair of pairs) if (pair.role === role) pair.swallows = true;
    },
    swallowNextSubscribe() {
      swallowsSubscribe = true;
    },
    redirect(port) {
      target = port;
    },
    cut(role) {
      for (const { near, role: own } of pairs) if (own === role) near.destroy();
    },
    hang() {
      isHanging = true;
      for (const { near } of pairs) near.pause();
    },
    release() {
      isHanging = false;
      for (const { near } of pairs) near.resume();
    },
  };
}

/** Determines the role from the name that the store gives its connections. */
function roleOf(text: string): RelayRole | undefined {
  const name = /cm:(commands|subscriber)/.exec(text)?.[1];
  return name === "commands" || name === "subscriber" ? name : undefined;
}
