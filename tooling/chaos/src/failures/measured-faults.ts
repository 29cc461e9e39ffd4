import { setTimeout as sleep } from "node:timers/promises";
import { HEARTBEAT_MS, LEASE_MS, type Leases, type Topology } from "../chaos/chaos-world.js";
import type { FailureScene } from "./failure-scene.js";

/** Times until a fault was detected, and until its effects were over. */
export interface Times {
  /** Time until detection, in milliseconds; `undefined` if the fault has no visible effect. */
  readonly detectionMs: number | undefined;
  readonly recoveryMs: number;
}

/** A fault to be measured. */
export interface MeasuredFault {
  readonly name: string;
  readonly topology: Topology;
  /** Lease TTL of the gateways. Default `short`. */
  readonly leases?: Leases;
  /** The observations that detection and recovery are measured by. */
  readonly readFrom: string;
  /** What the times are with the default heartbeats of 30 s and leases of 90 s. */
  readonly atDefaults: string;
  run(scene: FailureScene): Promise<Times>;
}

/** Index of the gateway whose view is observed while others fail. */
const OBSERVER = 0;

/** The default of the gateways' `DEAD_AFTER_MS`. */
const DEAD_AFTER_MS = 5_000;

const BY_SILENCE =
  "detected after about 5 s (`DEAD_AFTER_MS`) and cleaned up at once; by the lease alone (`DEAD_AFTER_MS=0`) after 60 to 90 s";

const NO_LEASE = "the same, because nothing waits for a heartbeat";

export const MEASURED_FAULTS: readonly MeasuredFault[] = [
  {
    name: "a gateway is killed",
    topology: "single",
    readFrom: "its members are missing from the rosters of another gateway; Redis holds no data of the gateway",
    atDefaults: BY_SILENCE,
    run: (scene) => killed(scene, [1]),
  },
  {
    name: "half of the gateways are killed at once",
    topology: "single",
    readFrom: "their members are missing from the rosters of another gateway; Redis holds no data of the gateways",
    atDefaults: BY_SILENCE,
    run: (scene) => killed(scene, [1, 2]),
  },
  {
    name: "a gateway is killed, with heartbeats of 30 s and leases of 90 s",
    topology: "single",
    leases: "default",
    readFrom: "its members are missing from the rosters of another gateway; Redis holds no data of the gateway",
    atDefaults: "measured with them",
    run: async (scene) => {
      // A gateway declares no other dead before it has been in sync for this long.
      await sleep(2 * DEAD_AFTER_MS);
      return killed(scene, [1]);
    },
  },
  {
    name: "a gateway is paused past its lease, then resumed",
    topology: "single",
    readFrom:
      "after the pause: its members are missing from rosters; after it was resumed: rosters complete again and all gateways ready",
    atDefaults:
      "detected after 60 to 90 s; complete again as fast as here, because an overdue heartbeat is sent at once",
    run: async (scene) => {
      const gateway = scene.world.gateway(1);
      gateway.pause();
      const detectionMs = await scene.timeUntil(
        async () => !(await scene.serversInRosters(OBSERVER)).has(gateway.serverId),
      );
      await sleep(1_000);
      gateway.resume();
      return { detectionMs, recoveryMs: await scene.timeUntil(() => isWhole(scene)) };
    },
  },
  {
    name: "a gateway restarts with its log on a full disk",
    topology: "single",
    readFrom: "it counts dropped log lines; rosters complete and all gateways ready",
    atDefaults: NO_LEASE,
    run: async (scene) => {
      const { world } = scene;
      await world.gateway(1).stop();
      const from = performance.now();
      await world.replace(1, { logTo: "/dev/full" });
      await scene.timeUntil(async () => (await droppedLines(world.gateway(1).url)) > 0);
      const detectionMs = performance.now() - from;
      scene.sendHome();
      await scene.timeUntil(() => isWhole(scene));
      const recoveryMs = performance.now() - from;
      await world.gateway(1).stop();
      await world.replace(1);
      scene.sendHome();
      return { detectionMs, recoveryMs };
    },
  },
  {
    name: "Redis is flushed",
    topology: "single",
    readFrom: "the first gateway takes its lease again; rosters complete again and all gateways ready",
    atDefaults: "within 2 s: a gateway's sign of life, sent every second, finds that its lease is gone",
    run: async (scene) => {
      const before = await scene.sumOfStats("reprojections");
      await askSingle(scene, "FLUSHALL");
      return both(
        scene,
        async () => (await scene.sumOfStats("reprojections")) > before,
        () => isWhole(scene),
      );
    },
  },
  {
    name: "Redis restarts empty",
    topology: "single",
    readFrom: "the first gateway is not ready; rosters complete again and all gateways ready",
    atDefaults:
      "detected at once; complete within 2 s of its return: a gateway's sign of life, sent every second, finds that its lease is gone",
    run: async (scene) => {
      const { store } = scene.world;
      if (store.topology !== "single") throw new Error("A single Redis is needed.");
      const restarted = store.redis.restart();
      const times = await both(
        scene,
        () => scene.isUnready(),
        () => isWhole(scene),
      );
      await restarted;
      return times;
    },
  },
  {
    name: "Redis can't be reached for 5 s",
    topology: "single",
    readFrom:
      "the first gateway is not ready; after the end of the outage: rosters complete again and all gateways ready",
    atDefaults: `${NO_LEASE}, unless the outage outlasts the lease`,
    run: async (scene) => {
      await Promise.all(scene.world.proxies.map((proxy) => proxy.set({ kind: "cut" })));
      const from = performance.now();
      const detectionMs = await scene.timeUntil(() => scene.isUnready());
      await sleep(5_000 - (performance.now() - from));
      await Promise.all(scene.world.proxies.map((proxy) => proxy.set({ kind: "pass" })));
      return { detectionMs, recoveryMs: await scene.timeUntil(() => isWhole(scene)) };
    },
  },
  {
    name: "a subscriber's connection hangs open",
    topology: "single",
    readFrom: "its gateway is not ready; ready again",
    atDefaults: NO_LEASE,
    run: async (scene) => {
      await hangSubscriber(scene, 1);
      return both(
        scene,
        () => scene.isUnready([1]),
        () => isWhole(scene),
      );
    },
  },
  {
    name: "all subscribers' connections are killed",
    topology: "single",
    readFrom: "the first gateway counts an interruption; all have, and are ready",
    atDefaults: NO_LEASE,
    run: async (scene) => {
      const before = await scene.sumOfStats("interruptions");
      await askSingle(scene, "CLIENT", "KILL", "TYPE", "pubsub");
      const interrupted = async () => (await scene.sumOfStats("interruptions")) > before;
      return both(scene, interrupted, async () => (await interrupted()) && (await isWhole(scene)));
    },
  },
  {
    name: "the master behind Sentinels hangs",
    topology: "sentinel",
    readFrom: "the first gateway is not ready; rosters complete again and all gateways ready",
    atDefaults: "the same, plus the time after which Sentinels act (1 s here, 30 s by default)",
    run: async (scene) => {
      const { store } = scene.world;
      if (store.topology !== "sentinel") throw new Error("Sentinels are needed.");
      const master = await store.redis.currentMaster();
      await master.pause();
      try {
        return await both(
          scene,
          () => scene.isUnready(),
          () => isWhole(scene),
        );
      } finally {
        await store.redis.untilFailedOver(master);
        await master.resume();
        await sleep(2_000);
      }
    },
  },
  {
    name: "a master of a Cluster hangs",
    topology: "cluster",
    readFrom: "the first gateway is not ready; rosters complete again and all gateways ready",
    atDefaults: "the same, plus the Cluster's node timeout (1 s here, 15 s by default)",
    run: async (scene) => {
      const { store } = scene.world;
      if (store.topology !== "cluster") throw new Error("A Cluster is needed.");
      const master = await store.redis.ownerOf(0);
      const [replica] = await store.redis.replicasOf(master);
      await master.pause();
      try {
        return await both(
          scene,
          () => scene.isUnready(),
          () => isWhole(scene),
        );
      } finally {
        if (replica !== undefined) await store.redis.untilMaster(replica);
        await master.resume();
        await store.redis.untilWhole();
        await sleep(2_000);
      }
    },
  },
  {
    name: "100 slots of a Cluster move, with their keys",
    topology: "cluster",
    readFrom: "after the last slot has moved: rosters complete and all gateways ready",
    atDefaults: NO_LEASE,
    run: async (scene) => {
      const { store } = scene.world;
      if (store.topology !== "cluster") throw new Error("A Cluster is needed.");
      const [here, there] = [await store.redis.ownerOf(0), await store.redis.ownerOf(16_383)];
      for (let slot = 0; slot < 6_400; slot += 64) {
        const from = await store.redis.ownerOf(slot);
        await store.redis.moveSlot(slot, from === here ? there : here);
      }
      return { detectionMs: undefined, recoveryMs: await scene.timeUntil(() => isWhole(scene)) };
    },
  },
];

async function killed(scene: FailureScene, victims: readonly number[]): Promise<Times> {
  const { world } = scene;
  const ids = victims.map((index) => world.gateway(index).serverId);
  const from = performance.now();
  await Promise.all(victims.map((index) => world.gateway(index).kill()));
  await scene.timeUntil(async () => {
    const servers = await scene.serversInRosters(OBSERVER);
    return ids.every((id) => !servers.has(id));
  });
  const detectionMs = performance.now() - from;
  await scene.timeUntil(async () => {
    const keys = await world.keys();
    return keys.every((key) => ids.every((id) => !key.includes(id)));
  });
  const recoveryMs = performance.now() - from;
  for (const index of victims) await world.replace(index);
  // Send clients that moved to another gateway back, so that the next round has members on each.
  scene.sendHome();
  return { detectionMs, recoveryMs };
}

/** Measures both times from the same moment. */
async function both(
  scene: FailureScene,
  shows: () => Promise<boolean>,
  isOver: () => Promise<boolean>,
): Promise<Times> {
  const from = performance.now();
  const detectionMs = await scene.timeUntil(shows);
  await scene.timeUntil(isOver);
  return { detectionMs, recoveryMs: performance.now() - from };
}

async function droppedLines(url: string): Promise<number> {
  const stats: unknown = await (await fetch(`${url}/stats`)).json();
  return (stats as { readonly log: { readonly droppedLines: number } }).log.droppedLines; // The gateway's own reply.
}

async function isWhole(scene: FailureScene): Promise<boolean> {
  return (await scene.isReady()) && (await scene.rostersAreWhole(OBSERVER));
}

async function askSingle({ world }: FailureScene, ...command: string[]): Promise<void> {
  if (world.store.topology !== "single") throw new Error("A single Redis is needed.");
  await world.store.redis.ask(...command);
}

/** Hangs the connection through the gateway's proxy that Redis lists as subscribed. */
async function hangSubscriber({ world }: FailureScene, index: number): Promise<void> {
  if (world.store.topology !== "single") throw new Error("A single Redis is needed.");
  const clients = String(await world.store.redis.ask("CLIENT", "LIST", "TYPE", "PUBSUB"));
  const ports = [...clients.matchAll(/ addr=127\.0\.0\.1:(\d+) /g)].map((match) => Number(match[1]));
  const links = (world.proxies[index]?.links ?? []).filter(({ serverSeesPort }) => ports.includes(serverSeesPort ?? 0));
  if (links.length !== 1) throw new Error(`The gateway has ${links.length} subscribers.`);
  for (const link of links) link.set({ kind: "hang", drop: "to-client" });
}

/** Describes the heartbeats and leases of the measurement. */
export const MEASURED_WITH = `heartbeats every ${HEARTBEAT_MS / 1_000} s and leases of ${LEASE_MS / 1_000} s`;
