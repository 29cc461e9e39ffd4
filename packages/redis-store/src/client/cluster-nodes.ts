import type { Cluster, Redis } from "ioredis";
import { shareWrite } from "../commands/write-coalescing.js";
import { SLOT_COUNT, slotOf } from "../keys/hash-slots.js";

/** While nodes fail or slots move, every command may ask for it; more often is of no use. */
const REFRESH_GAP_MS = 100;

/** The masters of a Cluster, as its client knows them, each with its connection. */
export class ClusterNodes {
  readonly #cluster: Cluster;
  readonly #masters = new Map<string, Redis>();
  readonly #onChange: () => void;
  readonly #update = (): void => this.#read();
  #addresses: ReadonlySet<string> = new Set();
  #coversAll = false;
  #pause: NodeJS.Timeout | undefined;
  #isAskedAgain = false;

  /** `onChange` hears that a connection to a master was made or lost. */
  constructor(cluster: Cluster, onChange: () => void) {
    this.#cluster = cluster;
    this.#onChange = onChange;
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
  get addresses(): ReadonlySet<string> {
    return this.#addresses;
  }

  /** Whether each slot has a master. */
  get coversAll(): boolean {
    return this.#coversAll;
  }

  /** Has the client reload the map of slots to masters; it emits `refresh` when it has. */
  refresh(): void {
    if (this.#pause !== undefined) {
      this.#isAskedAgain = true;
      return;
    }
    if (this.#cluster.status === "ready") this.#cluster.refreshSlotsCache();
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      if (!this.#isAskedAgain) return;
      this.#isAskedAgain = false;
      this.refresh();
    }, REFRESH_GAP_MS);
    this.#pause.unref();
  }

  /** Replaces the connection to a master, because it stays silent. */
  replace(address: string): void {
    // The Cluster client forgets a node whose connection ended, and finds it again.
    this.#masters.get(address)?.disconnect();
    this.refresh();
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
    clearTimeout(this.#pause);
    this.#masters.clear();
  }

  #read(): void {
    this.#masters.clear();
    for (const redis of this.#cluster.nodes("master")) {
      this.#masters.set(`${redis.options.host}:${redis.options.port}`, redis);
      // Nodes connect with their first command, which would then wait or be sent again
      // behind later ones. A failure shows in the commands that need the node.
      if (redis.status === "wait") redis.connect().then(this.#onChange, () => undefined);
    }
    const addresses = new Set<string>();
    let covered = 0;
    for (const nodes of this.#cluster.slots) {
      // The list has holes where no node has said that it has the slot.
      const master = nodes?.[0];
      if (master === undefined) continue;
      addresses.add(master);
      covered++;
    }
    this.#addresses = addresses;
    this.#coversAll = covered === SLOT_COUNT;
    this.#onChange();
  }
}

const CHANGES = ["refresh", "+node", "-node"] as const;
