import { eventually } from "../../eventually.js";
import type { FaultProxy } from "../../faults/fault-proxy.js";
import { type ProxiedServer, proxiesOf, startProxiedServer } from "./proxied-server.js";
import { DATA_NODE_ARGS, type RedisServer, startServer } from "./redis-server.js";

const MASTER_NAME = "cm-test";

// Intervals of the Sentinels' checks, in milliseconds. With the defaults, which are 1 to 10 seconds, a test
// would spend most of its time waiting.
const PERIODS = ["info-period", 500, "publish-period", 250, "ask-period", 250, "ping-period", 250] as const;

/** A master and its replicas, watched by Sentinels. */
export interface RedisSentinel {
  /** `redis+sentinel://127.0.0.1:<port>,.../0?master=<name>` */
  readonly url: string;
  readonly masterName: string;
  /** The Sentinels' ports. */
  readonly ports: readonly number[];
  readonly pids: readonly number[];
  /** The node that was the master at the start. */
  readonly master: RedisServer;
  /** The node that was the first replica at the start. */
  readonly replica: RedisServer;
  /** All data nodes, the initial master first. */
  readonly nodes: readonly RedisServer[];
  /**
   * The proxy of each of `nodes`, if requested. All traffic of clients, of other nodes and of the Sentinels
   * passes through the proxy.
   */
  readonly proxies: readonly FaultProxy[];
  readonly sentinels: readonly RedisServer[];
  /** The node that the majority of the Sentinels currently name as the master. */
  currentMaster(): Promise<RedisServer>;
  /**
   * Resolves with the new master when the Sentinels name a node other than `before`, and that node reports
   * the role itself.
   */
  untilFailedOver(before: RedisServer): Promise<RedisServer>;
  /** Ends all nodes and Sentinels. Idempotent. */
  close(): Promise<void>;
}

/** Options of {@link startRedisSentinel}. */
export interface StartRedisSentinelOptions {
  /** Number of Sentinels, 1 to 3. Default 1; of three, two decide a failover. */
  readonly sentinels?: number;
  /** Number of replicas. Default 1. */
  readonly replicas?: number;
  /** Time without a response after which the master counts as down, in milliseconds. Default 1,000. */
  readonly downAfterMs?: number;
  /** Puts a proxy in front of each data node; the node announces the proxy's address. Default `false`. */
  readonly proxied?: boolean;
}

/** Starts all processes. Resolves when the Sentinels know the replicas and each other. */
export async function startRedisSentinel(options: StartRedisSentinelOptions = {}): Promise<RedisSentinel> {
  const { sentinels: sentinelCount = 1, replicas = 1, downAfterMs = 1_000, proxied = false } = options;
  const started: { close(): Promise<void> }[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(started.map((each) => each.close()));
  };
  try {
    const nodes: ProxiedServer[] = [];
    for (let i = 0; i <= replicas; i++) {
      const node = await startDataNode(proxied, nodes[0]?.announcedPort);
      started.push(node);
      nodes.push(node);
    }
    const [first] = nodes;
    if (first === undefined) throw new Error("There is a master at least.");
    const sentinels: RedisServer[] = [];
    for (let i = 0; i < sentinelCount; i++) {
      const sentinel = await startServer(() => [], true);
      started.push(sentinel);
      sentinels.push(sentinel);
    }
    for (const sentinel of sentinels) await watch(sentinel, first.announcedPort, sentinelCount, downAfterMs);
    await eventually(
      async () => {
        for (const sentinel of sentinels) await expectComplete(sentinel, replicas, sentinelCount - 1);
      },
      { timeoutMs: 30_000 },
    );
    return describe(nodes, sentinels, close);
  } catch (error) {
    await close();
    throw error;
  }
}

function describe(
  nodes: readonly ProxiedServer[],
  sentinels: readonly RedisServer[],
  close: () => Promise<void>,
): RedisSentinel {
  const servers = nodes.map(({ server }) => server);
  const [master, replica] = servers;
  if (master === undefined || replica === undefined) throw new Error("Sentinels need a master and a replica.");
  const ports = sentinels.map((sentinel) => sentinel.port);
  const currentMaster = async (): Promise<RedisServer> => {
    const answers = await Promise.allSettled(sentinels.map(namedMaster));
    const named = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
    const node = nodes.find(
      ({ announcedPort }) => named.filter((port) => port === announcedPort).length * 2 > sentinels.length,
    );
    if (node === undefined) throw new Error(`The Sentinels do not agree on a master: ${named.join(", ")}`);
    return node.server;
  };
  return {
    url: `redis+sentinel://${ports.map((port) => `127.0.0.1:${port}`).join(",")}/0?master=${MASTER_NAME}`,
    masterName: MASTER_NAME,
    ports,
    get pids() {
      return [...servers, ...sentinels].map((server) => server.pid);
    },
    master,
    replica,
    nodes: servers,
    proxies: proxiesOf(nodes),
    sentinels,
    currentMaster,
    untilFailedOver: (before) =>
      eventually(
        async () => {
          const now = await currentMaster();
          if (now === before) throw new Error(`${before.port} is still named as the master.`);
          const role = await now.ask("ROLE");
          if (!Array.isArray(role) || role[0] !== "master") throw new Error(`${now.port} is no master yet.`);
          return now;
        },
        { timeoutMs: 20_000 },
      ),
    close,
  };
}

function startDataNode(proxied: boolean, masterPort: number | undefined): Promise<ProxiedServer> {
  return startProxiedServer(proxied, (announcedPort) => [
    ...DATA_NODE_ARGS,
    ...(masterPort === undefined ? [] : ["--replicaof", "127.0.0.1", String(masterPort)]),
    // The initial master needs these arguments too, because it becomes a replica after a failover.
    ...(proxied ? ["--replica-announce-ip", "127.0.0.1", "--replica-announce-port", String(announcedPort)] : []),
  ]);
}

async function watch(sentinel: RedisServer, masterPort: number, count: number, downAfterMs: number): Promise<void> {
  const quorum = Math.floor(count / 2) + 1;
  await sentinel.ask("SENTINEL", "DEBUG", ...PERIODS);
  await sentinel.ask("SENTINEL", "MONITOR", MASTER_NAME, "127.0.0.1", masterPort, quorum);
  await sentinel.ask("SENTINEL", "SET", MASTER_NAME, "down-after-milliseconds", downAfterMs);
  await sentinel.ask("SENTINEL", "SET", MASTER_NAME, "failover-timeout", 5_000);
}

async function namedMaster(sentinel: RedisServer): Promise<number> {
  const address = await sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME);
  return Number(Array.isArray(address) ? address[1] : Number.NaN);
}

async function expectComplete(sentinel: RedisServer, replicas: number, others: number): Promise<void> {
  const known = await sentinel.ask("SENTINEL", "REPLICAS", MASTER_NAME);
  const peers = await sentinel.ask("SENTINEL", "SENTINELS", MASTER_NAME);
  const healthy =
    Array.isArray(known) &&
    known.length === replicas &&
    // Each entry is a list of fields and values, including the state of the replica's link to its master.
    known.every((replica) => Array.isArray(replica) && replica.includes("ok")) &&
    Array.isArray(peers) &&
    peers.length === others;
  if (!healthy) throw new Error(`The Sentinel on port ${sentinel.port} does not know everybody yet.`);
}
