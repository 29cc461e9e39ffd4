import { eventually } from "../eventually.js";
import { freePort } from "./free-port.js";
import { DATA_NODE_ARGS, type RedisServer, startServer } from "./redis-server.js";
import { askRedis } from "./resp-connection.js";

const SLOTS = 16_384;

/** A Redis Cluster of real processes. */
export interface RedisCluster {
  /** `redis+cluster://127.0.0.1:<port>,127.0.0.1:<port>,...`, the masters first. */
  readonly url: string;
  readonly ports: readonly number[];
  readonly pids: readonly number[];
  /** Masters first, as they were at the start. */
  readonly nodes: readonly RedisServer[];
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
}

/** Starts a Cluster on free loopback ports; resolves when every node says that it is whole. */
export async function startRedisCluster(options: StartRedisClusterOptions = {}): Promise<RedisCluster> {
  const masters = options.masters ?? 3;
  const total = masters * (1 + (options.replicas ?? 0));
  const args = async (): Promise<string[]> => [
    ...DATA_NODE_ARGS,
    "--cluster-enabled",
    "yes",
    // By default 10,000 above the port, which may be taken.
    "--cluster-port",
    String(await freePort()),
    "--cluster-node-timeout",
    String(options.nodeTimeoutMs ?? 2_000),
    "--cluster-announce-ip",
    "127.0.0.1",
  ];
  const started = await Promise.allSettled(Array.from({ length: total }, () => startServer(args)));
  const nodes = started.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const close = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.close()));
  };
  try {
    for (const result of started) if (result.status === "rejected") throw result.reason;
    await assemble(nodes, masters);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    url: `redis+cluster://${nodes.map((node) => `${node.host}:${node.port}`).join(",")}`,
    ports: nodes.map((node) => node.port),
    get pids() {
      return nodes.map((node) => node.pid);
    },
    nodes,
    close,
  };
}

async function assemble(nodes: readonly RedisServer[], masters: number): Promise<void> {
  const ids = await Promise.all(nodes.map(async (node) => String(await askRedis(node.port, "CLUSTER", "MYID"))));
  await Promise.all(
    nodes.map(async (node, i) => {
      // Distinct epochs from the start: otherwise the nodes first have to settle a collision.
      await askRedis(node.port, "CLUSTER", "SET-CONFIG-EPOCH", i + 1);
      if (i >= masters) return;
      const from = Math.floor((SLOTS * i) / masters);
      const to = Math.floor((SLOTS * (i + 1)) / masters) - 1;
      await askRedis(node.port, "CLUSTER", "ADDSLOTSRANGE", from, to);
    }),
  );
  const [first, ...others] = nodes;
  if (first === undefined) throw new Error("A Cluster has at least one node.");
  for (const other of others) {
    const busPort = await busPortOf(other.port);
    await askRedis(first.port, "CLUSTER", "MEET", "127.0.0.1", other.port, busPort);
  }
  await eventually(async () => {
    for (const node of nodes) await expectKnown(node.port, nodes.length);
  });
  await Promise.all(
    nodes.slice(masters).map(async (replica, i) => {
      await askRedis(replica.port, "CLUSTER", "REPLICATE", ids[i % masters] ?? "");
    }),
  );
  await eventually(
    async () => {
      for (const node of nodes) await expectWhole(node.port, masters);
    },
    { timeoutMs: 30_000 },
  );
}

async function busPortOf(port: number): Promise<number> {
  const reply = await askRedis(port, "CONFIG", "GET", "cluster-port");
  return Number(Array.isArray(reply) ? reply[1] : Number.NaN);
}

async function expectKnown(port: number, total: number): Promise<void> {
  const info = String(await askRedis(port, "CLUSTER", "INFO"));
  if (!info.includes(`cluster_known_nodes:${total}\r\n`)) throw new Error(`Node ${port} does not know all others yet.`);
}

async function expectWhole(port: number, masters: number): Promise<void> {
  const info = String(await askRedis(port, "CLUSTER", "INFO"));
  const whole = info.includes("cluster_state:ok") && info.includes(`cluster_size:${masters}\r\n`);
  if (!whole) throw new Error(`The Cluster is not whole as node ${port} sees it:\n${info}`);
  const role = await askRedis(port, "ROLE");
  if (Array.isArray(role) && role[0] === "slave" && role[3] !== "connected") {
    throw new Error(`Replica ${port} does not follow its master yet.`);
  }
}
