import type { Cluster, Redis } from "ioredis";
import { shareWrite } from "./shared-write.js";
import { slotOf } from "./slots.js";

/** The masters of a Cluster, as its client knows them, each with its connection. */
export class ClusterNodes {
  readonly #cluster: Cluster;
  readonly #masters = new Map<string, Redis>();
  readonly #update = (): void => this.#read();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    for (const event of CHANGES) cluster.on(event, this.#update);
    // A client of the application may have been connected for long.
    this.#read();
  }

  /** `host:port` of the master of a key's or channel's slot. */
  addressOf(key: string): string | undefined {
    return this.#cluster.slots[slotOf(key)]?.[0];
  }

  /** The connection to a master, by `host:port`. */
  at(address: string): Redis | undefined {
    return this.#masters.get(address);
  }

  /** All masters that have slots. */
  addresses(): Set<string | undefined> {
    return new Set(this.#cluster.slots.map((nodes) => nodes[0]));
  }

  /** Has the client read anew which master has which slots; it says `refresh` when it has. */
  refresh(): void {
    if (this.#cluster.status === "ready") this.#cluster.refreshSlotsCache();
  }

  /** See {@link shareWrite}; which master a command goes to is the client's to know. */
  shareWrites(): void {
    for (const redis of this.#masters.values()) shareWrite(redis);
  }

  /** Resolves when all masters are connected, or the time is up: one may be down. */
  async warmUp(timeoutMs: number): Promise<void> {
    const connected = Promise.allSettled([...this.#masters.values()].map((redis) => redis.ping()));
    let timer: NodeJS.Timeout | undefined;
    const timeUp = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([connected, timeUp]);
    clearTimeout(timer);
  }

  close(): void {
    for (const event of CHANGES) this.#cluster.off(event, this.#update);
    this.#masters.clear();
  }

  #read(): void {
    this.#masters.clear();
    for (const redis of this.#cluster.nodes("master")) {
      this.#masters.set(`${redis.options.host}:${redis.options.port}`, redis);
      // Nodes connect with their first command, which would then wait or be sent again
      // behind later ones. A failure shows in the commands that need the node.
      if (redis.status === "wait") redis.connect().catch(() => undefined);
    }
  }
}

const CHANGES = ["refresh", "+node", "-node"] as const;
