import type { MembershipOptions } from "@cm/membership";
import type { PresenceOptions } from "@cm/presence";
import type { RouterOptions } from "@cm/router";

/** Options of a part. Each of them may be `undefined`, which selects the part's default. */
type Optional<T> = { readonly [K in keyof T]?: T[K] | undefined };

/** See `RouterOptions`; the node sets the options that are not included here. */
export type NodeRouterOptions = Optional<
  Omit<RouterOptions, "serverId" | "bus" | "users" | "servers" | "history" | "holdsLease" | "local" | "onError">
>;

/**
 * See `MembershipOptions`; `deadAfterMs` is 5,000 by default, not 0. If the node takes no lease, only
 * the types of these options are checked.
 */
export type NodeMembershipOptions = Optional<
  Omit<MembershipOptions, "ids" | "store" | "interest" | "onLeaseTaken" | "onError">
>;

/** See `PresenceOptions`. `restoreWithinMs` is by default 5 s more than the heartbeat interval. */
export type NodePresenceOptions = Optional<
  Omit<PresenceOptions, "users" | "rooms" | "counts" | "partitioning" | "bus" | "onError">
>;
