import type { MembershipOptions } from "@cm/membership";
import type { PresenceOptions } from "@cm/presence";
import type { RouterOptions } from "@cm/router";

/** See `RouterOptions`; the node sets the options that are not included here. */
export type NodeRouterOptions = Omit<RouterOptions, "serverId" | "store" | "holdsLease" | "local" | "onError">;

/**
 * See `MembershipOptions`; `deadAfterMs` is 5,000 by default, not 0. If the node takes no lease, these options are
 * checked, but have no effect.
 */
export type NodeMembershipOptions = Omit<MembershipOptions, "ids" | "store" | "interest" | "onLeaseTaken" | "onError">;

/** See `PresenceOptions`. `restoreWithinMs` is by default 5 s more than the heartbeat interval. */
export type NodePresenceOptions = Omit<
  PresenceOptions,
  "users" | "rooms" | "counts" | "partitions" | "bus" | "link" | "isComplete" | "onError"
>;
