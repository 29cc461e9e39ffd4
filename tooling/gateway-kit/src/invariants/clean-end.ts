import type { FaultCluster } from "../processes/fault-cluster.js";
import {
  expectDeadUnregistered,
  expectNoKeys,
  expectProjected,
  expectUsageNear,
  type Population,
  type UsageGrowth,
} from "./invariants.js";
import type { PresenceWitness } from "./presence-witness.js";

/** Clients that can all be cut off. */
export interface Gathering extends Population {
  leave(): void;
}

/** What else is looked at, and how closely. */
export interface CleanEnd {
  /** Tells whether each user and member was announced as gone, once. */
  readonly witness?: PresenceWitness;
  readonly growth?: UsageGrowth;
}

/** Connections to the nodes of a Cluster are made when they are needed, and to replicas that took over. */
export const OF_A_CLUSTER: UsageGrowth = { openFiles: 12 };

/**
 * All of the invariants, after a fault: everything agrees with the clients; they leave, and
 * everything agrees with that; each gateway that lived through it has about as much memory
 * and as many files as when it had started; and once the gateways have ended no key is left.
 */
export async function expectCleanEnd(
  cluster: FaultCluster,
  gathering: Gathering,
  { witness, growth = {} }: CleanEnd = {},
): Promise<void> {
  await expectProjected(cluster, gathering);
  await witness?.expectDepartures(gathering);
  gathering.leave();
  await expectProjected(cluster, gathering);
  await witness?.expectDepartures(gathering);
  for (const gateway of cluster.gateways) {
    const before = cluster.usageAtStart.get(gateway.pid);
    if (gateway.running && before !== undefined) await expectUsageNear(gateway, before, growth);
  }
  await expectDeadUnregistered(cluster);
  await Promise.all(cluster.gateways.map((gateway) => gateway.running && gateway.stop()));
  // A room that is watched has a version, for as long as that was asked for.
  await expectNoKeys(cluster, witness === undefined ? {} : { allowed: [/:roster:[^:]+$/] });
}
