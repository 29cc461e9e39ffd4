import { setTimeout as sleep } from "node:timers/promises";
import {
  askRedis,
  eventually,
  type FaultProxy,
  type RedisCluster,
  type RedisSentinel,
  type RedisServer,
} from "@cm/test-kit";
import WebSocket from "ws";
import type { ChaosClient } from "./chaos-client.js";
import { type ChaosWorld, ENVIRONMENT_MS, LEASE_MS } from "./chaos-world.js";
import type { SeededRandom } from "./seeded-random.js";

/** The objects that a fault acts on. */
export interface FaultScene {
  readonly world: ChaosWorld;
  readonly clients: readonly ChaosClient[];
  readonly random: SeededRandom;
}

/** A temporary fault; resolves when it is over. */
export type Fault = (scene: FaultScene) => Promise<void>;

/**
 * Time for which Redis stands still, in milliseconds: longer than the store's time limit of 2,000 ms for one
 * operation, and longer than a lease.
 */
const STANDSTILL_MS = 4_000;

/** Faults for every kind of Redis deployment. */
const ANYWHERE: Readonly<Record<string, Fault>> = {
  "gateway killed": async ({ world, random }) => {
    const index = random.between(0, world.gateways.length - 1);
    const delayMs = random.between(0, LEASE_MS);
    await world.gateway(index).kill();
    await sleep(delayMs);
    await world.replace(index);
  },
  "gateway stopped": async ({ world, random }) => {
    const index = random.between(0, world.gateways.length - 1);
    await world.gateway(index).stop();
    await world.replace(index);
  },
  "gateway paused past its lease": (scene) => pause(scene, LEASE_MS + 1_000, LEASE_MS + 4_000),
  "gateway paused for a moment": (scene) => pause(scene, 200, LEASE_MS - 1_500),
  "all scripts forgotten": ({ world }) => onMasters(world, ["SCRIPT", "FLUSH"]),
  "subscribers cut": ({ world }) => cutClients(world, /name=cm:subscriber /),
  "all clients of Redis cut": ({ world }) => cutClients(world, /name=cm:/),
  "Redis stands still for a moment": ({ world, random }) =>
    onMasters(world, ["CLIENT", "PAUSE", random.between(100, 1_500), "ALL"]),
  "Redis stands still for longer than anybody waits": ({ world }) =>
    onMasters(world, ["CLIENT", "PAUSE", STANDSTILL_MS, "ALL"], STANDSTILL_MS),
  "Redis takes no writes": async ({ world, random }) => {
    const forMs = random.between(500, 5_000);
    // Redis uses more than 1 byte, so it refuses writes. It must not evict keys instead.
    await onMasters(world, ["CONFIG", "SET", "maxmemory", 1, "maxmemory-policy", "noeviction"]);
    await sleep(forMs);
    // The master may have changed meanwhile, so reset all nodes.
    for (const { port } of nodesOf(world)) await askRedis(port, "CONFIG", "SET", "maxmemory", 0).catch(() => undefined);
  },
  "clients vanish": async ({ clients, random }) => {
    for (const client of clients) if (random.next() < 0.5) client.vanish();
  },
  "a client floods": async ({ world, random }) => {
    const socket = await rawSocket(world, random, "flooder");
    for (let i = 0; i < 20_000 && socket?.readyState === WebSocket.OPEN; i++) {
      socket.send(i % 3 === 0 ? "}{" : `{"type":"join","room":"flood-${i % 500}"}`);
      if (i % 500 === 0) await sleep(5);
    }
    socket?.terminate();
  },
  "a client reads nothing": async ({ world, random }) => {
    const socket = await rawSocket(world, random, "reader");
    socket?.send('{"type":"join","room":"room-0"}');
    await sleep(100);
    socket?.pause();
    await sleep(2_000);
    socket?.terminate();
  },
};

const ON_SINGLE: Readonly<Record<string, Fault>> = {
  "Redis flushed": ({ world }) => onMasters(world, ["FLUSHALL"]),
  "Redis restarted empty": async ({ world, random }) => {
    if (world.store.topology !== "single") return;
    const { redis } = world.store;
    const delayMs = random.between(0, 4_000);
    await redis.kill();
    await sleep(delayMs);
    await redis.restart();
  },
  "Redis cut off from a gateway": (scene) => viaProxy(scene, (proxy) => proxy.set({ kind: "cut" }), 500, 5_000),
  "Redis hangs for a gateway": (scene) =>
    viaProxy(scene, (proxy) => proxy.set({ kind: "hang", drop: "both" }), 1_000, 6_000),
  "Redis answers a gateway no more": (scene) =>
    viaProxy(scene, (proxy) => proxy.set({ kind: "hang", drop: "to-client" }), 1_000, 6_000),
  "gateway stopped while another is cut off": async ({ world, random }) => {
    const cutOff = random.between(0, world.gateways.length - 1);
    const stopped = (cutOff + random.between(1, world.gateways.length - 1)) % world.gateways.length;
    const forMs = random.between(500, 5_000);
    const proxy = world.proxies[cutOff];
    await proxy?.set({ kind: "cut" });
    await Promise.all([
      sleep(forMs),
      world
        .gateway(stopped)
        .stop()
        .then(() => world.replace(stopped)),
    ]);
    await proxy?.set({ kind: "pass" });
  },
  "something else lies in the place of an empty room": async ({ world, random }) => {
    if (world.store.topology !== "single") return;
    const { port } = world.store.redis;
    const placed = await placeOfRoom(world, random, "vacant");
    if (placed === undefined) return;
    await askRedis(port, "SET", placed, "something else", "NX").catch(() => undefined);
    const socket = await rawSocket(world, random, "finder");
    for (const type of ["join", "members", "leave"]) socket?.send(JSON.stringify({ type, room: "vacant" }));
    await sleep(1_500);
    socket?.terminate();
    // GETDEL is refused if the key is a room again by now.
    await askRedis(port, "GETDEL", placed).catch(() => undefined);
  },
  "Redis is far away from a gateway": (scene) =>
    viaProxy(scene, (proxy) => proxy.set({ kind: "delay", toServerMs: 100, toClientMs: 100 }), 1_000, 4_000),
};

const ON_SENTINEL: Readonly<Record<string, Fault>> = {
  "master hangs and is replaced": ({ world }) =>
    withSentinels(world, async (redis) => {
      const before = await redis.currentMaster();
      await before.pause();
      try {
        await redis.untilFailedOver(before);
      } finally {
        await before.resume();
      }
    }),
  "master dies, and comes back when it is replaced": ({ world }) =>
    withSentinels(world, async (redis) => {
      const before = await redis.currentMaster();
      await before.kill();
      try {
        await redis.untilFailedOver(before);
      } finally {
        await before.restart({ keepFiles: true });
      }
      await untilReplica(before);
    }),
};

const ON_CLUSTER: Readonly<Record<string, Fault>> = {
  "master and replica change places": ({ world, random }) =>
    withMasterOf(world, random, async (redis, _, replica) => redis.failOver(replica)),
  "master hangs and is replaced": ({ world, random }) =>
    withMasterOf(world, random, async (redis, master, replica) => {
      await master.pause();
      try {
        await redis.untilMaster(replica);
      } finally {
        await master.resume();
      }
    }),
  "master dies, and comes back when it is replaced": ({ world, random }) =>
    withMasterOf(world, random, async (redis, master, replica) => {
      await master.kill();
      try {
        await redis.untilMaster(replica);
      } finally {
        await master.restart({ keepFiles: true });
      }
      await untilReplica(master);
    }),
  "slots move": async ({ world, random }) => {
    if (world.store.topology !== "cluster") return;
    const { redis } = world.store;
    for (let count = 0; count < 20; count++) {
      const slot = random.between(0, 16_383);
      const neighbour = random.between(0, 16_383);
      // Another fault may replace one of the masters meanwhile: then the move is retried.
      await eventually(async () => redis.moveSlot(slot, await redis.ownerOf(neighbour)), { timeoutMs: 20_000 });
    }
  },
};

/** The faults that are possible in a world, by name. */
export function faultsFor({ store }: ChaosWorld): Readonly<Record<string, Fault>> {
  switch (store.topology) {
    case "single":
      return { ...ANYWHERE, ...ON_SINGLE };
    case "sentinel":
      return { ...ANYWHERE, ...ON_SENTINEL };
    case "cluster":
      return { ...ANYWHERE, ...ON_CLUSTER };
  }
}

function withSentinels(world: ChaosWorld, work: (redis: RedisSentinel) => Promise<void>): Promise<void> {
  const { store } = world;
  return store.topology === "sentinel" ? world.failOver(() => work(store.redis)) : Promise.resolve();
}

/** Runs `work` with the master of a random slot, if it has a replica, and waits until the Cluster is whole again. */
function withMasterOf(
  world: ChaosWorld,
  random: SeededRandom,
  work: (redis: RedisCluster, master: RedisServer, replica: RedisServer) => Promise<void>,
): Promise<void> {
  const { store } = world;
  const slot = random.between(0, 16_383);
  if (store.topology !== "cluster") return Promise.resolve();
  const { redis } = store;
  return world.failOver(async () => {
    const master = await redis.ownerOf(slot);
    const [replica] = await redis.replicasOf(master);
    if (replica !== undefined) await work(redis, master, replica);
    await redis.untilWhole();
  });
}

/** Waits until the node replicates another one and is in sync with it. */
async function untilReplica(node: RedisServer): Promise<void> {
  await eventually(
    async () => {
      const [role, , , state] = [await node.ask("ROLE")].flat();
      if (role !== "slave" || state !== "connected") throw new Error(`${node.port} is ${role}, ${state}.`);
    },
    { timeoutMs: ENVIRONMENT_MS, intervalMs: 100 },
  );
}

async function pause({ world, random }: FaultScene, fromMs: number, toMs: number): Promise<void> {
  const gateway = world.gateway(random.between(0, world.gateways.length - 1));
  const forMs = random.between(fromMs, toMs);
  gateway.pause();
  await sleep(forMs);
  gateway.resume();
}

async function viaProxy(
  { world, random }: FaultScene,
  begin: (proxy: FaultProxy) => Promise<void>,
  fromMs: number,
  toMs: number,
): Promise<void> {
  const proxy = random.pick(world.proxies);
  const forMs = random.between(fromMs, toMs);
  await begin(proxy);
  await sleep(forMs);
  await proxy.set({ kind: "pass" });
}

/** Sends a command to every master, and waits for `lastsMs`, the duration of its effect. */
async function onMasters(world: ChaosWorld, command: readonly (string | number)[], lastsMs = 0): Promise<void> {
  for (const { port } of await world.masters()) {
    // Another fault may have stopped the node already.
    await askRedis(port, ...command).catch(() => undefined);
  }
  await sleep(lastsMs);
}

function nodesOf({ store }: ChaosWorld): readonly RedisServer[] {
  return store.topology === "single" ? [store.redis] : store.redis.nodes;
}

/**
 * Cuts the connections whose line in `CLIENT LIST` matches, which are the gateways' and not those that inject
 * faults.
 */
async function cutClients(world: ChaosWorld, named: RegExp): Promise<void> {
  for (const { port } of await world.masters()) {
    const clients = String(await askRedis(port, "CLIENT", "LIST").catch(() => "")).split("\n");
    for (const client of clients.filter((each) => named.test(each))) {
      const id = /^id=(\d+)/.exec(client)?.[1];
      if (id !== undefined) await askRedis(port, "CLIENT", "KILL", "ID", id).catch(() => undefined);
    }
  }
}

/**
 * Returns the key of a room's members once the room is empty again; `undefined` if another fault prevented finding
 * it.
 */
async function placeOfRoom(world: ChaosWorld, random: SeededRandom, room: string): Promise<string | undefined> {
  const find = async (): Promise<string | undefined> =>
    (await world.keys()).find((key) => key.endsWith(`}:rooms:${room}`));
  const socket = await rawSocket(world, random, "finder");
  socket?.send(JSON.stringify({ type: "join", room }));
  try {
    const found = await eventually(async () => {
      const key = await find();
      if (key === undefined) throw new Error("Nobody is in the room yet.");
      return key;
    });
    socket?.terminate();
    await eventually(async () => {
      if ((await find()) !== undefined) throw new Error("Somebody is in the room still.");
    });
    return found;
  } catch {
    return undefined;
  } finally {
    socket?.terminate();
  }
}

/** Opens a plain client connection; `undefined` if the chosen gateway has just died. */
async function rawSocket(world: ChaosWorld, random: SeededRandom, user: string): Promise<WebSocket | undefined> {
  const socket = new WebSocket(`${random.pick(world.wsUrls)}?user=${user}`, "cm.v1");
  const isOpen = await new Promise<boolean>((resolve) => {
    socket.on("open", () => resolve(true));
    socket.on("error", () => resolve(false));
  });
  if (!isOpen) return undefined;
  socket.send('{"type":"hello","version":1}');
  return socket;
}
