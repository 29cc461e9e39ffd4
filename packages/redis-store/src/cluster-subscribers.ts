import type { Cluster, Redis, RedisOptions } from "ioredis";
import type { ClusterNodes } from "./cluster-nodes.js";
import { SubscriberConnection } from "./subscriber-connection.js";
import type { Subscribers, SubscribersOptions } from "./subscribers.js";

/** What {@link createClusterSubscribers} needs. */
export interface ClusterSubscribersOptions extends SubscribersOptions {
  readonly cluster: Cluster;
  readonly nodes: ClusterNodes;
  /** What the subscribers' connections have in common, on top of the nodes' own options. */
  readonly redisOptions: RedisOptions;
}

const REFRESH_MS = 250;

/**
 * One subscriber for each master that channels are wanted of. The Cluster client could
 * do this too, but it neither waits for acknowledgements nor says when it failed, so a
 * store could not tell whether it hears everything.
 */
export function createClusterSubscribers(options: ClusterSubscribersOptions): Subscribers {
  return new ClusterSubscribers(options);
}

class ClusterSubscribers implements Subscribers {
  readonly #options: ClusterSubscribersOptions;
  /** Wanted channels, and the node that each is asked for at. */
  readonly #channels = new Map<string, string | undefined>();
  readonly #connections = new Map<string, SubscriberConnection>();
  readonly #onRefresh = (): void => this.#reconcile();
  #refresh: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: ClusterSubscribersOptions) {
    this.#options = options;
    options.cluster.on("refresh", this.#onRefresh);
  }

  get inSync(): boolean {
    for (const node of this.#channels.values()) if (node === undefined) return false;
    for (const connection of this.#connections.values()) if (!connection.inSync) return false;
    return true;
  }

  get ready(): boolean {
    return this.#options.cluster.status === "ready";
  }

  want(channel: string): void {
    this.#channels.set(channel, undefined);
    this.#place(channel);
    this.#watch();
  }

  drop(channel: string): void {
    const node = this.#channels.get(channel);
    if (!this.#channels.delete(channel) || node === undefined) return;
    this.#connections.get(node)?.drop(channel);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#refresh);
    this.#options.cluster.off("refresh", this.#onRefresh);
    const connections = [...this.#connections.values()];
    this.#connections.clear();
    for (const connection of connections) await end(connection);
  }

  /** Asks for the channel at the master of its slot, if that is known. */
  #place(channel: string): void {
    const node = this.#options.nodes.addressOf(channel);
    const before = this.#channels.get(channel);
    if (node === undefined || node === before) return;
    if (before !== undefined) this.#connections.get(before)?.drop(channel);
    const connection = this.#connectionTo(node);
    this.#channels.set(channel, connection && node);
    connection?.want(channel);
  }

  #connectionTo(node: string): SubscriberConnection | undefined {
    const known = this.#connections.get(node);
    if (known !== undefined) return known;
    const { nodes, redisOptions, pingIntervalMs, events } = this.#options;
    const template = nodes.at(node);
    if (template === undefined) return undefined;
    const redis: Redis = template.duplicate(redisOptions);
    const connection = new SubscriberConnection({
      redis,
      sharded: true,
      pingIntervalMs,
      events: {
        ...events,
        changed: () => {
          events.changed();
          this.#watch();
        },
        moved: () => this.#watch(),
      },
    });
    this.#connections.set(node, connection);
    // A failure is an error event too; the connection goes on trying by itself.
    redis.connect().catch(() => undefined);
    return connection;
  }

  /** The client has read anew which master has which slots. */
  #reconcile(): void {
    if (this.#closed) return;
    for (const channel of this.#channels.keys()) this.#place(channel);
    const used = new Set(this.#channels.values());
    const masters = this.#options.nodes.addresses();
    for (const [node, connection] of this.#connections) {
      if (used.has(node) || masters.has(node)) {
        if (!connection.inSync) connection.resync();
        continue;
      }
      this.#connections.delete(node);
      end(connection).catch((error) => this.#options.events.failed(error));
    }
    this.#options.events.changed();
    this.#watch();
  }

  /** As long as something is missing, asks the Cluster again and again who has it. */
  #watch(): void {
    if (this.#closed || this.#refresh !== undefined || this.inSync) return;
    this.#refresh = setTimeout(() => {
      this.#refresh = undefined;
      if (this.#closed || this.inSync) return;
      this.#options.nodes.refresh();
      this.#watch();
    }, REFRESH_MS);
    this.#refresh.unref();
  }
}

/** These connections are ours, whoever made the Cluster client. */
async function end(connection: SubscriberConnection): Promise<void> {
  connection.redis.on("error", () => undefined);
  connection.redis.disconnect();
  await connection.close();
}
