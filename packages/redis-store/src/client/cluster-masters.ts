import type { Cluster, Redis } from "ioredis";
import { shareWrite } from "../commands/write-coalescing.js";
import { SLOT_COUNT, slotOf } from "../keys/hash-slots.js";

/** Minimum time between two refreshes: while nodes fail or slots move, every command may request one. */
const REFRESH_GAP_MS = 100;

/** The masters of a Cluster, as known to its client, each with its connection. */
export class ClusterMasters {
  readonly #cluster: Cluster;
  readonly #masters = new Map<string, Redis>();
  readonly #onChange: () => void;
  readonly #update = (): void => this.#read();
  #addresses: ReadonlySet<string> = new Set();
  #coversAll = false;
  #pause: NodeJS.Timeout | undefined;
  #isAskedAgain = false;

  /** `onChange` is called when the masters or the connections to them may have changed, first by the constructor. */
  constructor(cluster: Cluster, onChange: () => void) {
    this.#cluster = cluster;
    this.#onChange = onChange;
    for (const event of CHANGES) cluster.on(event, this.#update);
    // A client that the application passes in may already be connected.
    this.#read();
  }

  /** `host:port` of the master of a key's or channel's slot; `undefined` if it is not known. */
  addressOf(key: string): string | undefined {
    return this.#cluster.slots[slotOf(key)]?.[0];
  }

  /** The connection to a master, by `host:port`. */
  at(address: string): Redis | undefined {
    return this.#masters.get(address);
  }

  /** Addresses (`host:port`) of all masters that have slots. */
  get addresses(): ReadonlySet<string> {
    return this.#addresses;
  }

  /** Whether each slot has a master. */
  get coversAll(): boolean {
    return this.#coversAll;
  }

  /** Makes the client reload the map of slots to masters. The client then emits `refresh`. */
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

  /** Replaces the connection to a master that does not respond. */
  replace(address: string): void {
    // The Cluster client drops a node whose connection has ended, and discovers it again.
    this.#masters.get(address)?.disconnect();
    this.refresh();
  }

  /** Calls {@link shareWrite} for all masters: only the client knows which master a command goes to. */
  shareWrites(): void {
    for (const redis of this.#masters.values()) shareWrite(redis);
  }

  /** Resolves once all masters are connected, or after the timeout: a master may be down. */
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
      // Connect now. Otherwise, a node connects with its first command, which then waits or is resent behind
      // later commands. If connecting fails, the commands that need the node fail.
      if (redis.status === "wait") redis.connect().then(this.#onChange, () => undefined);
    }
    const addresses = new Set<string>();
    let covered = 0;
    for (const nodes of this.#cluster.slots) {
      // The list has empty entries for slots that no node has reported as its own.
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
