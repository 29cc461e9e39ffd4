import type { Cluster, Redis, RedisOptions } from "ioredis";
import { disconnect } from "../client/client-disconnect.js";
import type { ClusterMasters } from "../client/cluster-masters.js";
import type { Subscribers, SubscribersOptions } from "./single-subscriber.js";
import { type SubscriberState, VerifiedSubscriber } from "./verified-subscriber.js";

/** Dependencies of {@link createClusterSubscribers}. */
export interface ClusterSubscribersOptions extends SubscribersOptions {
  readonly cluster: Cluster;
  readonly nodes: ClusterMasters;
  /** Options of all subscriber connections, which override the nodes' own options. */
  readonly redisOptions: RedisOptions;
}

const REFRESH_MS = 250;

/**
 * Maximum number of names that are tried to find a probe channel in a given master's slots. It is sixteen
 * times the number of slots, so that a channel is almost certainly found even for a master with a single
 * slot.
 */
const PROBE_TRIES = 2 ** 18;

/**
 * Creates one subscriber for each master. The Cluster client can subscribe as well, but neither waits for
 * acknowledgements nor reports failures, so the store could not determine whether it receives all messages.
 */
export function createClusterSubscribers(options: ClusterSubscribersOptions): Subscribers {
  return new ClusterSubscribers(options);
}

class ClusterSubscribers implements Subscribers {
  readonly #options: ClusterSubscribersOptions;
  /** The wanted channels, each with the node at which it is subscribed. */
  readonly #channels = new Map<string, string | undefined>();
  /** Wanted channels that cannot be subscribed at any node at the moment. */
  readonly #unplaced = new Set<string>();
  /** Wanted channels that were live before, so that their subscribers rely on them. */
  readonly #promised = new Set<string>();
  readonly #subscribers = new Map<string, VerifiedSubscriber>();
  readonly #onRefresh = (): void => this.#reconcile();
  #refresh: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: ClusterSubscribersOptions) {
    this.#options = options;
    options.cluster.on("refresh", this.#onRefresh);
    // A client that the application passes in may already be connected.
    if (options.cluster.status === "ready") this.#reconcile();
  }

  get state(): SubscriberState {
    const { nodes } = this.#options;
    const states = [...nodes.addresses].map((node) =>
      nodes.at(node)?.status === "ready" ? (this.#subscribers.get(node)?.state ?? "resubscribing") : "down",
    );
    if (states.every((state) => state === "down")) return "down";
    if (!nodes.coversAll || states.includes("down")) return "degraded";
    if (states.includes("resubscribing") || this.#misses) return "resubscribing";
    return states.includes("degraded") ? "degraded" : "in-sync";
  }

  get provenAt(): number | undefined {
    return earliest([...this.#subscribers.values()].map(({ provenAt }) => provenAt));
  }

  get heardUntil(): number | undefined {
    return earliest([...this.#subscribers.values()].map(({ heardUntil }) => heardUntil));
  }

  want(channel: string): void {
    this.#channels.set(channel, undefined);
    this.#unplaced.add(channel);
    this.#place(channel);
    this.#watch();
  }

  drop(channel: string): void {
    const node = this.#channels.get(channel);
    this.#unplaced.delete(channel);
    this.#promised.delete(channel);
    if (!this.#channels.delete(channel) || node === undefined) return;
    this.#subscribers.get(node)?.connection.drop(channel);
  }

  hurry(): void {
    for (const subscriber of this.#subscribers.values()) subscriber.hurry();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#refresh);
    this.#options.cluster.off("refresh", this.#onRefresh);
    const subscribers = [...this.#subscribers.values()];
    this.#subscribers.clear();
    await Promise.all(subscribers.map(end));
  }

  /** Whether a channel that was live before has no node. */
  get #misses(): boolean {
    for (const channel of this.#unplaced) if (this.#promised.has(channel)) return true;
    return false;
  }

  /** Whether every slot has a master, every master is connected, and every wanted channel is live. */
  get #isComplete(): boolean {
    if (this.#unplaced.size > 0 || !this.#options.nodes.coversAll) return false;
    for (const node of this.#options.nodes.addresses) {
      if (this.#subscribers.get(node)?.connection.isComplete !== true) return false;
      if (this.#options.nodes.at(node)?.status !== "ready") return false;
    }
    return true;
  }

  /** Subscribes the channel at the master of its slot, if that master is known. */
  #place(channel: string): void {
    const node = this.#options.nodes.addressOf(channel);
    const before = this.#channels.get(channel);
    if (node === undefined || node === before) return;
    if (before !== undefined) this.#subscribers.get(before)?.connection.drop(channel);
    const subscriber = this.#subscriberTo(node);
    this.#channels.set(channel, subscriber && node);
    if (subscriber === undefined) {
      this.#unplaced.add(channel);
      return;
    }
    this.#unplaced.delete(channel);
    subscriber.connection.want(channel, this.#promised.has(channel));
  }

  #subscriberTo(node: string): VerifiedSubscriber | undefined {
    const known = this.#subscribers.get(node);
    if (known !== undefined) return known;
    const { nodes, redisOptions, probe, counters, events } = this.#options;
    const template = nodes.at(node);
    const probeChannel = this.#probeChannelOn(node);
    if (template === undefined || probeChannel === undefined) return undefined;
    const redis: Redis = template.duplicate(redisOptions);
    const subscriber = new VerifiedSubscriber({
      redis,
      sharded: true,
      probe,
      probeChannel,
      replacePublisher: () => nodes.replace(node),
      counters,
      events: {
        ...events,
        live: (channel) => {
          this.#promised.add(channel);
          events.live(channel);
        },
        changed: () => {
          events.changed();
          this.#watch();
        },
        moved: () => this.#watch(),
      },
    });
    this.#subscribers.set(node, subscriber);
    // A failure also emits an error event; the connection keeps retrying by itself.
    redis.connect().catch(() => undefined);
    return subscriber;
  }

  /** Finds a probe channel in a slot of this master; `undefined` if there is none. */
  #probeChannelOn(node: string): string | undefined {
    const { nodes, probe } = this.#options;
    for (let n = 0; n < PROBE_TRIES; n++) {
      const channel = probe.channel(n);
      if (nodes.addressOf(channel) === node) return channel;
    }
    return undefined;
  }

  /** Adapts the subscribers to the map of slots to masters, which the client has reloaded. */
  #reconcile(): void {
    if (this.#closed) return;
    const { nodes, events } = this.#options;
    for (const channel of this.#channels.keys()) this.#place(channel);
    for (const node of nodes.addresses) {
      const subscriber = this.#subscriberTo(node);
      if (subscriber === undefined || nodes.addressOf(subscriber.probeChannel) === node) continue;
      const channel = this.#probeChannelOn(node);
      if (channel !== undefined) subscriber.probeOn(channel);
    }
    const used = new Set(this.#channels.values());
    for (const [node, subscriber] of this.#subscribers) {
      if (used.has(node) || nodes.addresses.has(node)) {
        if (!subscriber.connection.isComplete) subscriber.connection.resync();
        continue;
      }
      this.#subscribers.delete(node);
      end(subscriber).catch((error) => events.failed(error));
    }
    events.changed();
    this.#watch();
  }

  /** Refreshes the map of slots repeatedly until the subscriptions are complete. */
  #watch(): void {
    if (this.#closed || this.#refresh !== undefined || this.#isComplete) return;
    this.#refresh = setTimeout(() => {
      this.#refresh = undefined;
      if (this.#closed || this.#isComplete) return;
      this.#options.nodes.refresh();
      this.#watch();
    }, REFRESH_MS);
    this.#refresh.unref();
  }
}

/** The earliest moment; `undefined` if one of them is `undefined`, or if there are none. */
function earliest(moments: readonly (number | undefined)[]): number | undefined {
  const known = moments.filter((moment) => moment !== undefined);
  return known.length > 0 && known.length === moments.length ? Math.min(...known) : undefined;
}

/**
 * Ends a subscriber. The store owns the connections of subscribers, even if the application made the Cluster
 * client.
 */
async function end(subscriber: VerifiedSubscriber): Promise<void> {
  const { redis } = subscriber.connection;
  disconnect(redis);
  await subscriber.close();
}
