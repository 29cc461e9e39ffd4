import type { Bus, Link, OnError, Partitioned, RoomDirectory, Store, StoreCounts, UserDirectory } from "@cm/protocol";
import {
  type Complete,
  optionInvalid,
  requireDurationMs,
  requireFunction,
  requireMembers,
  requireOptions,
  requireWholeNumber,
} from "@cm/protocol/options";

/** The part of a store that presence reads. */
export interface PresenceStore {
  /** Where the states of users are read. */
  readonly users: Pick<UserDirectory, "states" | "online">;
  /** Where members of rooms are read, and asked to be announced. */
  readonly rooms: Pick<RoomDirectory, "members" | "count" | "announce">;
  /** Where the number of users online is read. */
  readonly counts: StoreCounts;
  /** How users are spread over feeds. */
  readonly partitioning: Partitioned;
  /**
   * It subscribes to the channels of feeds and rosters; a bus has one subscription a
   * channel, so one presence a store.
   */
  readonly bus: Pick<Bus, "subscribe">;
  /** With it, a call that came before the store's `start()` is told so. */
  readonly link?: Pick<Link, "state"> | undefined;
}

/** What presence needs. A store can be handed over as it is. */
export interface PresenceOptions extends PresenceStore {
  /** The most watches at a time. Default 10,000; 1 to 1,000,000. */
  readonly maxWatches?: number | undefined;
  /** The most users of one watch. Default 1,000; 1 to 100,000. */
  readonly maxUsersPerWatch?: number | undefined;
  /**
   * The most users and members of rooms whose state is kept for all watches together.
   * `watchAll` keeps every user who is online. Default 200,000; 1 to 10,000,000.
   */
  readonly maxKept?: number | undefined;
  /**
   * The most changes of one feed or room kept while its state is being read; beyond it
   * they are dropped, and the state is read once more. Default 10,000; 1 to 1,000,000.
   */
  readonly maxBufferedChanges?: number | undefined;
  /**
   * Period in which everything that is watched is read again, a part at a time, and compared:
   * finds differences that no change announces, such as data that the store lost. In
   * milliseconds. Default 60,000; 1,000 to 86,400,000.
   */
  readonly recheckIntervalMs?: number | undefined;
  /**
   * How long a watched user or member of a room who is missing from the store, without an
   * announcement, still counts as there: servers need a heartbeat interval and a little more to
   * restore lost data or to acquire an expired lease again. A departure whose announcement was
   * missed may be told that much later. In milliseconds. Default 35,000; 1,000 to 86,400,000.
   */
  readonly restoreWithinMs?: number | undefined;
  /**
   * For how long a watched room is asked to announce its changes; asked again three times
   * as often. In milliseconds. Default 60,000; 1,000 to 86,400,000.
   */
  readonly announceTtlMs?: number | undefined;
  /**
   * Failures that no caller is waiting for: of a reading (`subscription`), of a watcher
   * that throws (`handler`), of a damaged change (`bus`). Default: dropped.
   */
  readonly onError?: OnError | undefined;
}

/** {@link PresenceOptions} with every default filled in. */
export interface ResolvedPresenceOptions extends Complete<Omit<PresenceOptions, keyof PresenceStore>> {
  readonly store: PresenceStore;
}

/** The parts of a store that presence does not read are known, because a store can be handed over as it is. */
const KNOWN: Readonly<Record<keyof PresenceOptions | keyof Store, true>> = {
  users: true,
  rooms: true,
  bus: true,
  counts: true,
  partitioning: true,
  maxWatches: true,
  maxUsersPerWatch: true,
  maxKept: true,
  maxBufferedChanges: true,
  recheckIntervalMs: true,
  restoreWithinMs: true,
  announceTtlMs: true,
  onError: true,
  servers: true,
  connections: true,
  roomRecords: true,
  history: true,
  upkeep: true,
  link: true,
  start: true,
  close: true,
};

/** Fills in the defaults; throws `options-invalid`. */
export function resolvePresenceOptions(given: PresenceOptions): ResolvedPresenceOptions {
  const options = requireOptions(given, KNOWN);
  const { maxWatches = 10_000, maxUsersPerWatch = 1_000, maxKept = 200_000, maxBufferedChanges = 10_000 } = options;
  const { recheckIntervalMs = 60_000, restoreWithinMs = 35_000, announceTtlMs = 60_000 } = options;
  const { onError = () => undefined } = options;
  return {
    store: {
      users: requireMembers("users", options.users, ["states", "online"]),
      rooms: requireMembers("rooms", options.rooms, ["members", "count", "announce"]),
      counts: requireMembers("counts", options.counts, ["of"]),
      partitioning: requireMembers("partitioning", options.partitioning, ["partitionOf"]),
      bus: requireMembers("bus", options.bus, ["subscribe"]),
      link: requireLink(options.link),
    },
    maxWatches: requireWholeNumber("maxWatches", maxWatches, { min: 1, max: 1_000_000 }),
    maxUsersPerWatch: requireWholeNumber("maxUsersPerWatch", maxUsersPerWatch, { min: 1, max: 100_000 }),
    maxKept: requireWholeNumber("maxKept", maxKept, { min: 1, max: 10_000_000 }),
    maxBufferedChanges: requireWholeNumber("maxBufferedChanges", maxBufferedChanges, { min: 1, max: 1_000_000 }),
    recheckIntervalMs: requireDurationMs("recheckIntervalMs", recheckIntervalMs, 1_000),
    restoreWithinMs: requireDurationMs("restoreWithinMs", restoreWithinMs, 1_000),
    announceTtlMs: requireDurationMs("announceTtlMs", announceTtlMs, 1_000),
    onError: requireFunction("onError", onError),
  };
}

function requireLink(link: PresenceStore["link"]): PresenceStore["link"] {
  if (link === undefined || typeof link?.state === "string") return link;
  throw optionInvalid("link", "the link of a store");
}
