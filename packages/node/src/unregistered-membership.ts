import type { Membership, MembershipStats } from "@cm/membership";
import { CmError } from "@cm/protocol";

const NONE = { record: 0, member: 0, user: 0 };

const NOTHING: MembershipStats = {
  connections: 0,
  rooms: 0,
  memberships: 0,
  users: 0,
  pendingRemovals: 0,
  reapedServers: 0,
  reprojections: 0,
  leaseAgeMs: undefined,
  drift: { reconciledPartitions: 0, missing: NONE, stray: NONE, wrong: NONE },
};

/**
 * Creates the membership of a node that takes no lease. The membership registers nothing, so the node can't
 * be mistaken for a server. Calls that would write reject with `options-invalid`.
 */
export function createUnregisteredMembership(serverId: string): Membership {
  const refused = (): CmError =>
    new CmError("options-invalid", "This node holds no lease and can't have connections; create it with lease: true.", {
      details: { field: "lease" },
    });
  const refuse = (): Promise<never> => Promise.reject(refused());
  const done = Promise.resolve();
  const nothing = (): Promise<void> => done;
  return {
    serverId,
    holdsLease: false,
    checkLease: () => Promise.resolve(false),
    fault: undefined,
    nextConnectionId: () => {
      throw refused();
    },
    open: refuse,
    update: refuse,
    join: refuse,
    isMember: () => false,
    reap: refuse,
    reapExpired: refuse,
    start: nothing,
    close: nothing,
    leave: nothing,
    stats: () => NOTHING,
    shutdown: nothing,
    [Symbol.asyncDispose]: nothing,
  };
}
