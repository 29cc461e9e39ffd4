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
  /** Masters first, as they were at the start. */
  readonly nodes: readonly RedisServer[];
  /**
   * A proxy in front of each of `nodes`, where they were asked for. Clients and replicas go
   * through it; what the nodes tell each other about the Cluster does not, so that a node
   * that is cut off there is still a good one in the eyes of the others.
   */
  readonly proxies: readonly FaultProxy[];
  /** The master that has a slot. Fails where no living one has. */
  ownerOf(slot: number): Promise<RedisServer>;
  replicasOf(master: RedisServer): Promise<RedisServer[]>;
  /** Hands a slot and its keys over; resolves when every node that runs has heard of it. */
  moveSlot(slot: number, target: RedisServer): Promise<void>;
  /** Makes a replica the master, in agreement with the old one; resolves when the Cluster is whole again. */
  failOver(replica: RedisServer): Promise<void>;
  /** Resolves when the node is a master, as after its own was killed. */
  untilMaster(server: RedisServer): Promise<void>;
  /** Resolves when all nodes that run agree on who has which slot, none is missing, and replicas follow. */
  untilWhole(): Promise<void>;
  /** Ends all nodes. Idempotent. */
  close(): Promise<void>;
}

/** What {@link startRedisCluster} takes. */
export interface StartRedisClusterOptions {
  /** Default 3, which is also the least that can fail over. */
  readonly masters?: number;
  /** Replicas of each master. Default 0. */
  readonly replicas?: number;
  /** Silence after which a node counts as failing, in milliseconds. Default 2,000. */
  readonly nodeTimeoutMs?: number;
  /** Puts a proxy in front of each node, whose address the node announces. Default `false`. */
  readonly proxied?: boolean;
}

/** Starts a Cluster on free loopback ports; resolves when every node says that it is whole. */
export async function startRedisCluster(options: StartRedisClusterOptions = {}): Promise<RedisCluster> {
  const { masters = 3, replicas = 0, nodeTimeoutMs = 2_000, proxied = false } = options;
  const args = async (announcedPort: number): Promise<string[]> => [
    ...DATA_NODE_ARGS,
    "--cluster-enabled",
    "yes",
    // By default 10,000 above the port, which may be taken.
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
      // Distinct epochs from the start: otherwise the nodes first have to settle a collision.
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
