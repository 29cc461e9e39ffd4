import type { MembershipOptions } from "@cm/membership";
import type { PresenceOptions } from "@cm/presence";
import type { RouterOptions } from "@cm/router";

/** See `RouterOptions`; the others of them are the node's to fill in. */
export type NodeRouterOptions = Omit<
  RouterOptions,
  "serverId" | "bus" | "users" | "servers" | "history" | "holdsLease" | "local" | "onError"
>;

/** See `MembershipOptions`; `deadAfterMs` is 5,000 by default, not 0. Only their types are checked where the node takes no lease. */
export type NodeMembershipOptions = Omit<MembershipOptions, "ids" | "store" | "interest" | "onLeaseTaken" | "onError">;

/** See `PresenceOptions`. `restoreWithinMs` is by default 5 s more than the heartbeat interval. */
export type NodePresenceOptions = Omit<
  PresenceOptions,
  "users" | "rooms" | "counts" | "partitioning" | "bus" | "link" | "onError"
>;
