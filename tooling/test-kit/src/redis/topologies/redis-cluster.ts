import { eventually } from "../../eventually.js";
import type { FaultProxy } from "../../faults/fault-proxy.js";
import { freePort } from "../launchers/free-port.js";
import { askRedis } from "../resp-connection.js";
import { ClusterControl, type ClusterMember } from "./cluster-control.js";
import { type ProxiedServer, proxiesOf, startProxiedServer } from "./proxied-server.js";
import { DATA_NODE_ARGS, type RedisServer } from "./redis-server.js";

const SLOTS = 16_384;

/** A Redis Cluster of real processes. */
export interface RedisCluster {
  /** `redis+cluster://127.0.0.1:<port>,127.0.0.1:<port>,...`, the masters first. */
  readonly url: string;
  readonly ports: readonly number[];
  readonly pids: readonly number[];
  /** All nodes, those that were masters at the start first. */
  readonly nodes: readonly RedisServer[];
  /**
   * The proxy of each of `nodes`, if requested. Clients and replicas connect through the proxy. The cluster bus
   * bypasses it, so that other nodes still consider a node healthy while its proxy is cut.
   */
  readonly proxies: readonly FaultProxy[];
  /** The master that owns a slot. Rejects if no living master owns the slot. */
  ownerOf(slot: number): Promise<RedisServer>;
  /** All living masters, also those that own no slot. */
  masters(): Promise<RedisServer[]>;
  replicasOf(master: RedisServer): Promise<RedisServer[]>;
  /** Moves a slot and its keys. Resolves when every running node knows the new owner. */
  moveSlot(slot: number, target: RedisServer): Promise<void>;
  /** Makes a replica the master, in agreement with the old master. Resolves when the Cluster is whole again. */
  failOver(replica: RedisServer): Promise<void>;
  /** Resolves when the node is a master, for example after its own master was killed. */
  untilMaster(server: RedisServer): Promise<void>;
  /**
   * Resolves when all running nodes agree on the owner of each slot, no slot is missing, and replicas are
   * connected.
   */
  untilWhole(): Promise<void>;
  /** Ends all nodes. Idempotent. */
  close(): Promise<void>;
}

/** Options of {@link startRedisCluster}. */
export interface StartRedisClusterOptions {
  /** Number of masters. Default 3, which is also the minimum for a failover. */
  readonly masters?: number;
  /** Number of replicas of each master. Default 0. */
  readonly replicas?: number;
  /** Time without a response after which a node counts as failing, in milliseconds. Default 2,000. */
  readonly nodeTimeoutMs?: number;
  /** Puts a proxy in front of each node; the node announces the proxy's address. Default `false`. */
  readonly proxied?: boolean;
}

/** Starts a Cluster on free loopback ports. Resolves when every node reports the Cluster as whole. */
export async function startRedisCluster(options: StartRedisClusterOptions = {}): Promise<RedisCluster> {
  const { masters = 3, replicas = 0, nodeTimeoutMs = 2_000, proxied = false } = options;
  const args = async (announcedPort: number): Promise<string[]> => [
    ...DATA_NODE_ARGS,
    "--cluster-enabled",
    "yes",
    // Choose a free port for the cluster bus: the default port, which is 10,000 above the client port, may be
    // taken.
    "--cluster-port",
    String(await freePort()),
    "--cluster-node-timeout",
    String(nodeTimeoutMs),
    "--cluster-announce-ip",
    "127.0.0.1",
    ...(proxied ? ["--cluster-announce-port", String(announcedPort)] : []),
  ];
  const total = masters * (1 + replicas);
  const started = await Promise.allSettled(Array.from({ length: total }, () => startProxiedServer(proxied, args)));
  const nodes = started.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const close = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.close()));
  };
  try {
    for (const result of started) if (result.status === "rejected") throw result.reason;
    return describe(nodes, await assemble(nodes, masters), close);
  } catch (error) {
    await close();
    throw error;
  }
}

function describe(nodes: readonly ProxiedServer[], control: ClusterControl, close: () => Promise<void>): RedisCluster {
  const ports = nodes.map((node) => node.announcedPort);
  const servers = nodes.map(({ server }) => server);
  return {
    url: `redis+cluster://${ports.map((port) => `127.0.0.1:${port}`).join(",")}`,
    ports,
    get pids() {
      return servers.map((server) => server.pid);
    },
    nodes: servers,
    proxies: proxiesOf(nodes),
    ownerOf: (slot) => control.ownerOf(slot),
    masters: () => control.masters(),
    replicasOf: (master) => control.replicasOf(master),
    moveSlot: (slot, target) => control.moveSlot(slot, target),
    failOver: (replica) => control.failOver(replica),
    untilMaster: (server) => control.untilMaster(server),
    untilWhole: () => control.untilWhole(),
    close,
  };
}

async function assemble(started: readonly ProxiedServer[], masters: number): Promise<ClusterControl> {
  const nodes = started.map(({ server }) => server);
  const members = await Promise.all(
    nodes.map(async (server): Promise<ClusterMember> => ({ server, id: String(await server.ask("CLUSTER", "MYID")) })),
  );
  await Promise.all(
    nodes.map(async (node, i) => {
      // Assign distinct epochs at the start: otherwise the nodes first have to resolve a collision.
      await node.ask("CLUSTER", "SET-CONFIG-EPOCH", i + 1);
      if (i >= masters) return;
      const from = Math.floor((SLOTS * i) / masters);
      const to = Math.floor((SLOTS * (i + 1)) / masters) - 1;
      await node.ask("CLUSTER", "ADDSLOTSRANGE", from, to);
    }),
  );
  const [first, ...others] = started;
  if (first === undefined) throw new Error("A Cluster has at least one node.");
  for (const { server, announcedPort } of others) {
    await first.server.ask("CLUSTER", "MEET", "127.0.0.1", announcedPort, await busPortOf(server.port));
  }
  await eventually(async () => {
    for (const node of nodes) await expectKnown(node.port, nodes.length);
  });
  await Promise.all(
    nodes.slice(masters).map(async (replica, i) => {
      await replica.ask("CLUSTER", "REPLICATE", members[i % masters]?.id ?? "");
    }),
  );
  const control = new ClusterControl(members);
  await control.untilWhole();
  return control;
}

async function busPortOf(port: number): Promise<number> {
  const reply = await askRedis(port, "CONFIG", "GET", "cluster-port");
  return Number(Array.isArray(reply) ? reply[1] : Number.NaN);
}

async function expectKnown(port: number, total: number): Promise<void> {
  const info = String(await askRedis(port, "CLUSTER", "INFO"));
  if (!info.includes(`cluster_known_nodes:${total}\r\n`)) throw new Error(`Node ${port} does not know all others yet.`);
}
