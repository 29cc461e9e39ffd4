import type { RedisServer } from "./redis-server.js";

/** A node of a Cluster as another node sees it. */
export interface SeenNode {
  readonly id: string;
  readonly flags: readonly string[];
  /** Id of the master that the node replicates; `undefined` for a master. */
  readonly masterId: string | undefined;
  /** Ranges of slots, both ends included. */
  readonly slots: readonly (readonly [from: number, to: number])[];
}

/** All nodes that a node knows, read from its `CLUSTER NODES`. */
export async function seenBy(node: RedisServer): Promise<SeenNode[]> {
  const lines = String(await node.ask("CLUSTER", "NODES"))
    .split("\n")
    .filter((line) => line !== "");
  return lines.map((line) => {
    // The fields of a line are id, address, flags, master, ping, pong, epoch, link state and slots.
    const [id = "", , flags = "", masterId = "-", , , , , ...slots] = line.split(" ");
    return {
      id,
      flags: flags.split(","),
      masterId: masterId === "-" ? undefined : masterId,
      // A slot that is being moved is listed in brackets, in addition to its range.
      slots: slots
        .filter((range) => !range.startsWith("["))
        .map((range) => {
          const [from = Number.NaN, to = from] = range.split("-").map(Number);
          return [from, to] as const;
        }),
    };
  });
}

/** Whether a node owns a slot. */
export function hasSlot(node: SeenNode, slot: number): boolean {
  return node.slots.some(([from, to]) => from <= slot && slot <= to);
}
