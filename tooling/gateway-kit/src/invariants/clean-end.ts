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

/** A population whose connections can all be cut. */
export interface ClosablePopulation extends Population {
  leave(): void;
}

/** Additional checks and tolerances. */
export interface CleanEnd {
  /** Verifies that each departed user and member was announced as gone, once. */
  readonly witness?: PresenceWitness;
  readonly growth?: UsageGrowth;
}

/**
 * Allowed growth with a Cluster, because connections to its nodes, including replicas that took over, are only
 * opened when they are needed.
 */
export const OF_A_CLUSTER: UsageGrowth = { openFiles: 12 };

/**
 * Checks all invariants after a fault: the store and the gateways agree with the clients, and agree again after
 * all clients have left; each surviving gateway uses about as much memory and as many files as at its start; and
 * no key is left after the gateways have ended.
 */
export async function expectCleanEnd(
  cluster: FaultCluster,
  population: ClosablePopulation,
  { witness, growth = {} }: CleanEnd = {},
): Promise<void> {
  await expectProjected(cluster, population);
  await witness?.expectDepartures(population);
  population.leave();
  await expectProjected(cluster, population);
  await witness?.expectDepartures(population);
  for (const gateway of cluster.gateways) {
    const before = cluster.usageAtStart.get(gateway.pid);
    if (gateway.running && before !== undefined) await expectUsageNear(gateway, before, growth);
  }
  await expectDeadUnregistered(cluster);
  await Promise.all(cluster.gateways.map((gateway) => gateway.running && gateway.stop()));
  // Allow version keys of rosters if there is a witness: a watched room has such a key until the requested time
  // has passed.
  await expectNoKeys(cluster, witness === undefined ? {} : { allowed: [/:roster:[^:]+$/] });
}
