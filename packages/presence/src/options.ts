import type { Bus, Link, OnError, RoomDirectory, Store, StoreCounts, UserDirectory } from "@cm/protocol";
import {
  type Complete,
  optionInvalid,
  requireDurationMs,
  requireFunction,
  requireMembers,
  requireOptions,
  requireWholeNumber,
} from "@cm/protocol/options";

/** The parts of a store that presence uses. */
export interface PresenceStore {
  /** Reads the states of users. */
  readonly users: Pick<UserDirectory, "states" | "online">;
  /** Reads members of rooms, and requests announcements of their changes. */
  readonly rooms: Pick<RoomDirectory, "members" | "count" | "enableAnnouncements">;
  /** Reads the number of users who are online. */
  readonly counts: StoreCounts;
  /** Number of partitions of users, each with its own feed; 1 or more. */
  readonly partitions: number;
  /**
   * Bus for subscribing to feed and roster channels. A bus allows one subscription per channel, so create
   * only one presence per store.
   */
  readonly bus: Pick<Bus, "subscribe">;
  /** State of the store's link. If set, calls before the store's `start()` reject with `closed`. */
  readonly link?: Pick<Link, "state"> | undefined;
}

/** Options of {@link createPresence}. All members of a store are accepted, so a whole store can be given. */
export interface PresenceOptions extends PresenceStore {
  /** Maximum number of watches at a time. Default 10,000; 1 to 1,000,000. */
  readonly maxWatches?: number | undefined;
  /** Maximum number of users of one watch. Default 1,000; 1 to 100,000. */
  readonly maxUsersPerWatch?: number | undefined;
  /**
   * Maximum number of users and room members whose state is kept for all watches together. `watchAll`
   * keeps every user who is online. Default 200,000; 1 to 10,000,000.
   */
  readonly maxCachedStates?: number | undefined;
  /**
   * Maximum number of changes of one feed or room that are kept while its state is being read. Beyond
   * it, they are dropped and the state is read once more. Default 10,000; 1 to 1,000,000.
   */
  readonly maxBufferedChanges?: number | undefined;
  /**
   * Period in which everything that is watched is read again and compared, a part at a time, in
   * milliseconds. This detects differences that no change announces, such as data that the store lost.
   * Default 60,000; 1,000 to 86,400,000.
   */
  readonly recheckIntervalMs?: number | undefined;
  /**
   * How long a watched user or room member who is missing from the store, without an announcement, still counts as
   * present, in milliseconds. Servers need slightly more than a heartbeat interval to restore lost data or to
   * acquire an expired lease again. A departure whose announcement was missed may be reported up to this much
   * later. Default 35,000; 1,000 to 86,400,000.
   */
  readonly restoreWithinMs?: number | undefined;
  /**
   * How long a watched room is requested to announce its changes, in milliseconds. The request is
   * renewed after a third of this time. Default 60,000; 1,000 to 86,400,000.
   */
  readonly announceTtlMs?: number | undefined;
  /**
   * Asks whether the store has the entries of all servers at this moment, such as `Membership.checkLease`. While it
   * resolves with `false`, `online`, `countOnline`, `roster`, `countMembers` and new watches wait, for at most 6 s.
   * Default: the store counts as complete.
   */
  readonly isComplete?: (() => Promise<boolean>) | undefined;
  /**
   * Receives failures that no caller is waiting for: of a read (`subscription`), of a watcher that
   * throws (`handler`), of a damaged change (`bus`). Default: failures are dropped.
   */
  readonly onError?: OnError | undefined;
}

/** {@link PresenceOptions} with defaults filled in. */
export interface ResolvedPresenceOptions
  extends Complete<Omit<PresenceOptions, keyof PresenceStore | "isComplete">>,
    Pick<PresenceOptions, "isComplete"> {
  readonly store: PresenceStore;
}

/**
 * The accepted names. Includes the parts of a store that presence does not read, because a whole store may be
 * given.
 */
const KNOWN: Readonly<Record<keyof PresenceOptions | keyof Store, true>> = {
  users: true,
  rooms: true,
  bus: true,
  counts: true,
  partitions: true,
  maxWatches: true,
  maxUsersPerWatch: true,
  maxCachedStates: true,
  maxBufferedChanges: true,
  recheckIntervalMs: true,
  restoreWithinMs: true,
  announceTtlMs: true,
  isComplete: true,
  onError: true,
  servers: true,
  connections: true,
  roomRecords: true,
  upkeep: true,
  link: true,
  start: true,
  close: true,
};

/** Fills in the defaults. Throws `options-invalid`. */
export function resolvePresenceOptions(given: PresenceOptions): ResolvedPresenceOptions {
  const options = requireOptions(given, KNOWN);
  const { maxWatches = 10_000, maxUsersPerWatch = 1_000 } = options;
  const { maxCachedStates = 200_000, maxBufferedChanges = 10_000 } = options;
  const { recheckIntervalMs = 60_000, restoreWithinMs = 35_000, announceTtlMs = 60_000 } = options;
  const { isComplete, onError = () => undefined } = options;
  return {
    store: {
      users: requireMembers("users", options.users, ["states", "online"]),
      rooms: requireMembers("rooms", options.rooms, ["members", "count", "enableAnnouncements"]),
      counts: requireMembers("counts", options.counts, ["of"]),
      partitions: requireWholeNumber("partitions", options.partitions, { min: 1, max: Number.MAX_SAFE_INTEGER }),
      bus: requireMembers("bus", options.bus, ["subscribe"]),
      link: requireLink(options.link),
    },
    maxWatches: requireWholeNumber("maxWatches", maxWatches, { min: 1, max: 1_000_000 }),
    maxUsersPerWatch: requireWholeNumber("maxUsersPerWatch", maxUsersPerWatch, { min: 1, max: 100_000 }),
    maxCachedStates: requireWholeNumber("maxCachedStates", maxCachedStates, { min: 1, max: 10_000_000 }),
    maxBufferedChanges: requireWholeNumber("maxBufferedChanges", maxBufferedChanges, { min: 1, max: 1_000_000 }),
    recheckIntervalMs: requireDurationMs("recheckIntervalMs", recheckIntervalMs, 1_000),
    restoreWithinMs: requireDurationMs("restoreWithinMs", restoreWithinMs, 1_000),
    announceTtlMs: requireDurationMs("announceTtlMs", announceTtlMs, 1_000),
    isComplete: isComplete === undefined ? undefined : requireFunction("isComplete", isComplete),
    onError: requireFunction("onError", onError),
  };
}

function requireLink(link: PresenceStore["link"]): PresenceStore["link"] {
  if (link === undefined || typeof link?.state === "string") return link;
  throw optionInvalid("link", "a store's link");
}
