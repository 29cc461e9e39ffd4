import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** Which connections of a store a fault is for. */
export type RelayRole = "commands" | "subscriber";

/** Stands between a store and its Redis, and can be told to misbehave. */
export interface FaultRelay {
  readonly url: string;
  /**
   * From now on nothing that Redis says reaches those that are connected now: they are
   * half open, and do not answer an end either. New connections work.
   */
  swallowReplies(role: RelayRole): void;
  /** The same for the next connection that subscribes, from that moment on: it gets no acknowledgement. */
  swallowNextSubscribe(): void;
  /** Where new connections lead from now on; those that are there stay. */
  redirect(targetPort: number): void;
  /** Breaks those that are connected now. */
  cut(role: RelayRole): void;
  /** Takes nothing any more from those that are connected now, nor from new ones: as a host that hangs. */
  hang(): void;
  /** Ends `hang`: what was held goes on. */
  release(): void;
  /** How many connections were made. */
  readonly connections: number;
}

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
  role: RelayRole | undefined;
  swallows: boolean;
}

/** A relay to a port of the loopback address; gone after the test. */
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
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`, // What a TCP server that listens has.
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

/** By the name that the store gives its connections. */
function roleOf(text: string): RelayRole | undefined {
  const name = /cm:(commands|subscriber)/.exec(text)?.[1];
  return name === "commands" || name === "subscriber" ? name : undefined;
}
