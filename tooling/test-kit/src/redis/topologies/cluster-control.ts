import { eventually } from "../../eventually.js";
import { hasSlot, type SeenNode, seenBy } from "./cluster-nodes-command.js";
import type { RedisServer } from "./redis-server.js";

/** A node of a running Cluster with its node id. */
export interface ClusterMember {
  readonly server: RedisServer;
  readonly id: string;
}

const SLOTS = 16_384;
/** Number of keys moved with one command. */
const MIGRATE_KEYS_MAX = 100;
const PATIENCE_MS = 30_000;
const FAILOVER_RETRY_MS = 2_500;

/** Inspects and changes a running Cluster, as an operator would. */
export class ClusterControl {
  readonly #members: readonly ClusterMember[];

  constructor(members: readonly ClusterMember[]) {
    this.#members = members;
  }

  async ownerOf(slot: number): Promise<RedisServer> {
    const owner = (await this.#seen()).find((node) => hasSlot(node, slot) && !node.flags.includes("fail"));
    if (owner === undefined) throw new Error(`Nobody has slot ${slot}.`);
    return this.#byId(owner.id);
  }

  async masters(): Promise<RedisServer[]> {
    return (await this.#seen())
      .filter(({ flags }) => flags.includes("master") && !flags.includes("fail"))
      .map(({ id }) => this.#byId(id));
  }

  async replicasOf(master: RedisServer): Promise<RedisServer[]> {
    const id = this.#idOf(master);
    return (await this.#seen()).filter(({ masterId }) => masterId === id).map((node) => this.#byId(node.id));
  }

  async moveSlot(slot: number, target: RedisServer): Promise<void> {
    const source = await this.ownerOf(slot);
    if (source === target) return;
    await target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", this.#idOf(source));
    await source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", this.#idOf(target));
    for (;;) {
      const keys = await source.ask("CLUSTER", "GETKEYSINSLOT", slot, MIGRATE_KEYS_MAX);
      if (!Array.isArray(keys) || keys.length === 0) break;
      // Pass an empty key, because the keys are listed at the end, and database 0.
      await source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 5_000, "KEYS", ...keys.map(String));
    }
    const others = this.#running().filter((server) => server !== source && server !== target);
    // Assign the slot at the new owner first, so that the slot always has an owner. A replica refuses the
    // command; it learns the owner by gossip.
    for (const server of [target, source]) await server.ask("CLUSTER", "SETSLOT", slot, "NODE", this.#idOf(target));
    await Promise.allSettled(
      others.map((server) => server.ask("CLUSTER", "SETSLOT", slot, "NODE", this.#idOf(target))),
    );
    await eventually(async () => {
      for (const server of this.#running()) {
        const owner = (await seenBy(server)).find((node) => hasSlot(node, slot));
        if (owner?.id === this.#idOf(target)) continue;
        // Assign the slot again: an earlier message of the former owner may have undone the move. BUMPEPOCH
        // gives the target a greater epoch than all other nodes, which decides the owner of the slot. A replica
        // refuses the command; it learns the owner from its master.
        await target.ask("CLUSTER", "BUMPEPOCH");
        await server.ask("CLUSTER", "SETSLOT", slot, "NODE", this.#idOf(target)).catch(() => undefined);
        throw new Error(`Node ${server.port} has not heard of the move yet.`);
      }
    });
  }

  async failOver(replica: RedisServer): Promise<void> {
    await eventually(
      async () => {
        await replica.ask("CLUSTER", "FAILOVER");
        // After an earlier failover, other nodes may refuse their vote for a while without reporting it.
        await this.#untilMaster(replica, FAILOVER_RETRY_MS);
      },
      { timeoutMs: PATIENCE_MS },
    );
    await this.untilWhole();
  }

  untilMaster(server: RedisServer): Promise<void> {
    return this.#untilMaster(server, PATIENCE_MS);
  }

  async untilWhole(): Promise<void> {
    await eventually(
      async () => {
        const views = await Promise.all(this.#running().map((server) => this.#viewOf(server)));
        if (new Set(views).size > 1) throw new Error(`The nodes do not agree yet: ${views.join(" | ")}`);
      },
      { timeoutMs: PATIENCE_MS },
    );
  }

  async #untilMaster(server: RedisServer, timeoutMs: number): Promise<void> {
    await eventually(
      async () => {
        const role = await server.ask("ROLE");
        if (!Array.isArray(role) || role[0] !== "master") throw new Error(`Node ${server.port} is no master yet.`);
      },
      { timeoutMs },
    );
  }

  /** The assignment of slots as one node sees it. Throws if the node does not see the whole Cluster as available. */
  async #viewOf(server: RedisServer): Promise<string> {
    const info = String(await server.ask("CLUSTER", "INFO"));
    if (!info.includes("cluster_state:ok") || !info.includes(`cluster_slots_ok:${SLOTS}\r\n`)) {
      throw new Error(`The Cluster is not whole as node ${server.port} sees it:\n${info}`);
    }
    const role = await server.ask("ROLE");
    if (Array.isArray(role) && role[0] === "slave" && role[3] !== "connected") {
      throw new Error(`Replica ${server.port} does not follow its master yet.`);
    }
    const owners = (await seenBy(server)).filter(({ slots }) => slots.length > 0);
    return owners
      .map(({ id, slots }) => `${id} ${slots.join(" ")}`)
      .sort()
      .join("; ");
  }

  /** The view of the first node that responds. */
  async #seen(): Promise<SeenNode[]> {
    const answers = await Promise.allSettled(this.#running().map(seenBy));
    for (const answer of answers) if (answer.status === "fulfilled") return answer.value;
    throw new Error("No node of the Cluster answers.");
  }

  #running(): RedisServer[] {
    return this.#members.map(({ server }) => server).filter((server) => server.running);
  }

  #byId(id: string): RedisServer {
    const member = this.#members.find((each) => each.id === id);
    if (member === undefined) throw new Error(`There is no node ${id}.`);
    return member.server;
  }

  #idOf(server: RedisServer): string {
    const member = this.#members.find((each) => each.server === server);
    if (member === undefined) throw new Error(`Port ${server.port} is no node of this Cluster.`);
    return member.id;
  }
}
