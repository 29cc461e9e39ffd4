import type { Bus } from "./bus.js";
import type { ConnectionRegistry, ConnectionUpkeep } from "./connection-registry.js";
import type { History } from "./history.js";
import type { Partitioned } from "./partitioned.js";
import type { RoomDirectory, RoomUpkeep } from "./room-directory.js";
import type { RoomRecords } from "./room-records.js";
import type { ServerRegistry, ServerUpkeep } from "./server-registry.js";
import type { ServerWatch } from "./server-watch.js";
import type { StoreCounts } from "./store-counts.js";
import type { UserDirectory, UserUpkeep } from "./user-directory.js";

/**
 * How the link is, judged by what works and not by what was last said.
 *
 * - `connecting`: not usable yet
 * - `resubscribing`: commands work, subscriptions that were live are being restored, or
 *   nothing was heard over them yet
 * - `in-sync`: commands work, every subscription that was promised is live, and messages
 *   were seen to come through
 * - `degraded`: commands work and subscriptions are acknowledged, but proof that messages
 *   come through is late; or the store refuses new subscriptions again and again; or a part
 *   of it can't be reached while the rest works
 * - `down`: commands fail
 * - `closed`
 *
 * A new subscription that is still being made does not change the state: its subscriber was
 * not told yet that it is live.
 */
export type LinkState = "connecting" | "resubscribing" | "in-sync" | "degraded" | "down" | "closed";

/** The link at one moment. Counters begin with the store and never go back. */
export interface LinkStatus {
  /** The state of the link at that moment. */
  readonly state: LinkState;
  /** When it came to this state, in milliseconds since 1970. */
  readonly since: number;
  /**
   * How long ago it was last proven that what is published comes through, in
   * milliseconds; of several connections the longest. `undefined` where one is not
   * proven yet.
   */
  readonly lastProbeMs: number | undefined;
  /** Connections that were made again after they had been lost. */
  readonly reconnects: number;
  /** Subscriptions that were restored. */
  readonly resubscriptions: number;
  /** Subscribers that were replaced because they stayed silent. */
  readonly replacedSubscribers: number;
  /** Commands that got no answer before their deadline. */
  readonly timedOutCommands: number;
  /** Commands that were refused because too many were waiting already. */
  readonly refusedCommands: number;
}

/** The state of the link between a process and its store. */
export interface Link {
  /** The state of the link now. */
  readonly state: LinkState;
  /** The link's state with its counters. */
  status(): LinkStatus;
  /**
   * Calls the listener once for each change, in the order of the changes, also where a
   * listener brings about the next one; returns a function that takes it off. Must not
   * throw.
   */
  onState(listener: (state: LinkState) => void): () => void;
}

/**
 * What the parts of a store are kept true with: renewal of what lives, and removal of what is
 * left. Only for the holder of the leases (a membership).
 */
export interface StoreUpkeep {
  /** Claims on dead servers, and their removal. */
  readonly servers: ServerUpkeep;
  /** Signs of life. */
  readonly liveness: ServerWatch;
  /** Renewal and removal of connection records. */
  readonly connections: ConnectionUpkeep;
  /** Renewal, reconciling and removal of members of rooms. */
  readonly rooms: RoomUpkeep;
  /** Renewal, reconciling and removal of users' connections. */
  readonly users: UserUpkeep;
}

/**
 * All contracts of one store, over one link: those for use, and those for upkeep apart.
 *
 * Every call settles within the store's deadline. While the link is away, calls other
 * than `bus.publish` wait for it within that deadline, so that a short interruption does
 * not fail a join; they fail with `unavailable` where it lasts longer. What waits or is
 * under way is bounded: beyond that, calls fail at once with `unavailable`.
 */
export interface Store {
  /** Leases: who is alive. */
  readonly servers: ServerRegistry;
  /** Records of connections. */
  readonly connections: ConnectionRegistry;
  /** Who is in which room. */
  readonly rooms: RoomDirectory;
  /** Which connections a user has. */
  readonly users: UserDirectory;
  /** What an application keeps about a room. */
  readonly roomRecords: RoomRecords;
  /** Messages between servers. */
  readonly bus: Bus;
  /** Absent where the store keeps no history of rooms. */
  readonly history?: History;
  /** Numbers over all servers. */
  readonly counts: StoreCounts;
  /** How rooms and users are cut into partitions. */
  readonly partitioning: Partitioned;
  /** What only the holder of a lease calls. */
  readonly upkeep: StoreUpkeep;
  /** The link between this process and the store. */
  readonly link: Link;
  /** Connects and checks the layout. Fails with `unavailable` or `layout-mismatch`. */
  start(): Promise<void>;
  /** Ends what `start` began. Idempotent: every call returns the same promise. */
  close(): Promise<void>;
}
