import { type Bus, CmError, type OnError, type RoomDirectory, type UserDirectory } from "@cm/protocol";

/** The part of a store that presence reads. */
export interface PresenceStore {
  readonly users: Pick<UserDirectory, "states" | "online" | "countOnline" | "partitions" | "partitionOf">;
  readonly rooms: Pick<RoomDirectory, "members" | "count" | "announce">;
  /**
   * It subscribes to the channels of feeds and rosters; a bus has one subscription a
   * channel, so one presence a store.
   */
  readonly bus: Pick<Bus, "subscribe">;
}

/** What presence needs. A store can be handed over as it is. */
export interface PresenceOptions extends PresenceStore {
  /** The most watches at a time. Default 10,000; 1 to 1,000,000. */
  readonly maxWatches?: number;
  /** The most users of one watch. Default 1,000; 1 to 100,000. */
  readonly maxUsersPerWatch?: number;
  /**
   * The most users and members of rooms whose state is kept for all watches together.
   * `watchAll` keeps every user who is online. Default 200,000; 1 to 10,000,000.
   */
  readonly maxKept?: number;
  /**
   * The most changes of one feed or room kept while its state is being read; beyond it
   * they are dropped, and the state is read once more. Default 10,000; 1 to 1,000,000.
   */
  readonly maxBufferedChanges?: number;
  /**
   * Period in which everything that is watched is read again, a part at a time, and compared:
   * finds differences that no change announces, such as data that the store lost. In
   * milliseconds. Default 60,000; 1,000 to 86,400,000.
   */
  readonly recheckIntervalMs?: number;
  /**
   * How long a user who is missing from the store, without an announcement, still counts as
   * online: servers need a heartbeat interval and a little more to restore lost data or to
   * acquire an expired lease again. In milliseconds. Default 35,000; 1,000 to 86,400,000.
   */
  readonly restoreWithinMs?: number;
  /**
   * For how long a watched room is asked to announce its changes; asked again three times
   * as often. In milliseconds. Default 60,000; 1,000 to 86,400,000.
   */
  readonly announceTtlMs?: number;
  /**
   * Failures that no caller is waiting for: of a reading (`subscription`), of a watcher
   * that throws (`handler`), of a damaged change (`bus`). Default: dropped.
   */
  readonly onError?: OnError;
}

/** {@link PresenceOptions} with every default filled in. */
export interface ResolvedPresenceOptions extends Required<Omit<PresenceOptions, keyof PresenceStore>> {
  readonly store: PresenceStore;
}

/** Fills in the defaults; throws `options-invalid`. */
export function resolvePresenceOptions(options: PresenceOptions): ResolvedPresenceOptions {
  const { users, rooms, bus, onError = () => undefined } = options;
  for (const [field, part] of Object.entries({ users, rooms, bus })) {
    if (typeof part !== "object" || part === null) throw invalid(field, `${field} must be a part of a store.`);
  }
  if (typeof onError !== "function") throw invalid("onError", "onError must be a function.");
  return {
    store: { users, rooms, bus },
    maxWatches: wholeNumber("maxWatches", options.maxWatches ?? 10_000, 1, 1_000_000),
    maxUsersPerWatch: wholeNumber("maxUsersPerWatch", options.maxUsersPerWatch ?? 1_000, 1, 100_000),
    maxKept: wholeNumber("maxKept", options.maxKept ?? 200_000, 1, 10_000_000),
    maxBufferedChanges: wholeNumber("maxBufferedChanges", options.maxBufferedChanges ?? 10_000, 1, 1_000_000),
    recheckIntervalMs: wholeNumber("recheckIntervalMs", options.recheckIntervalMs ?? 60_000, 1_000, LONGEST_MS),
    restoreWithinMs: wholeNumber("restoreWithinMs", options.restoreWithinMs ?? 35_000, 1_000, LONGEST_MS),
    announceTtlMs: wholeNumber("announceTtlMs", options.announceTtlMs ?? 60_000, 1_000, LONGEST_MS),
    onError,
  };
}

/** A day: timers overflow not far above. */
const LONGEST_MS = 86_400_000;

function wholeNumber(field: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw invalid(field, `${field} must be a whole number from ${min} to ${max}.`);
}

function invalid(field: string, message: string): CmError {
  return new CmError("options-invalid", message, { details: { field } });
}
