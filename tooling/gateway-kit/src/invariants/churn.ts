import { setTimeout as sleep } from "node:timers/promises";
import { CmSocket } from "../clients/cm-socket.js";
import type { GatewayCluster } from "../processes/gateway-cluster.js";

/** Number of connections and requests of a churn. */
export interface ChurnOutcome {
  readonly connections: number;
  readonly requests: number;
}

/** Number of concurrent clients. Each connects, sends one of each kind of request, and leaves. */
const VISITORS = 16;

/**
 * Numbers of different rooms and users. They are limited, so that the memory that a gateway uses for each known
 * name is limited too.
 */
const ROOMS = 100;
const USERS = 200;

/** Minimum amount of churn: at least `connections` connections, and for at least `seconds`. */
export interface ChurnOptions {
  readonly connections: number;
  readonly seconds?: number;
}

/**
 * Lets clients connect and leave: each joins rooms, publishes, sends direct messages, makes requests that are
 * refused, and leaves by closing, by cutting the connection, or with requests in progress.
 */
export async function churn(cluster: GatewayCluster, options: ChurnOptions): Promise<ChurnOutcome> {
  const endsAt = performance.now() + (options.seconds ?? 0) * 1_000;
  let connections = 0;
  let requests = 0;
  let lastId = "nowhere.abcd80";
  const visit = async (n: number): Promise<void> => {
    const socket = await CmSocket.open(cluster.wsUrls[n % cluster.wsUrls.length] ?? "", `user-${n % USERS}`);
    connections++;
    const rooms = [0, 1, 2].map((i) => `room-${(n * 7 + i) % ROOMS}`);
    const asked = [
      ...rooms.map((room) => ({ type: "join", room })),
      ...rooms.map((room) => ({ type: "publish", room, data: { n } })),
      { type: "members", room: rooms[0] },
      { type: "send", connection: lastId, data: n },
      { type: "send", user: `user-${(n + 1) % USERS}`, data: n },
      { type: "publish", room: "not a member", data: n },
      { type: "no such request" },
      { type: "leave", room: rooms[1] },
    ];
    lastId = socket.id;
    const answers = asked.map((request) => socket.ask(request));
    requests += answers.length;
    if (n % 3 > 0) await Promise.all(answers);
    else void Promise.allSettled(answers);
    if (n % 3 === 1) await socket.close();
    else socket.terminate();
    await socket.closed;
  };
  let n = 0;
  await Promise.all(
    Array.from({ length: VISITORS }, async () => {
      while (n < options.connections || performance.now() < endsAt) await visit(n++);
    }),
  );
  return { connections, requests };
}

/** Waits until the gateways have no connection and no pending removal. */
export async function settled(cluster: GatewayCluster): Promise<void> {
  const busy = async (): Promise<boolean> => {
    const all = await Promise.all(cluster.gateways.map((_, index) => cluster.stats(index)));
    return all.some(({ connections = 0, pendingRemovals = 0 }) => connections + pendingRemovals > 0);
  };
  const deadline = performance.now() + 20_000;
  while (await busy()) {
    if (performance.now() > deadline) throw new Error("The gateways still know somebody.");
    await sleep(50);
  }
}
