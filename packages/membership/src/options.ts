import {
  CmError,
  type ConnectionIdSource,
  type ConnectionRegistry,
  type Lease,
  type Link,
  type OnError,
  type Partitioned,
  type RoomDirectory,
  type RoomInterest,
  type ServerRegistry,
  type StoreUpkeep,
  type UserDirectory,
} from "@cm/protocol";
import {
  type Complete,
  requireDurationMs,
  requireFunction,
  requireMembers,
  requireOptions,
  requireText,
  requireWholeNumber,
} from "@cm/protocol/options";
import type { DriftReport } from "./reconcile/drift-report.js";

/** The part of a store that a membership writes to. */
export interface MembershipStore {
  /** Where the lease is taken and renewed. */
  readonly servers: ServerRegistry;
  /** Where the records of this server's connections are written. */
  readonly connections: ConnectionRegistry;
  /** Where members of rooms are written. */
  readonly rooms: RoomDirectory;
  /** Where the connections of users are written. */
  readonly users: UserDirectory;
  /** How rooms and users are spread over partitions. */
  readonly partitioning: Partitioned;
  /** What renewing, reconciling and cleaning up needs. */
  readonly upkeep: StoreUpkeep;
  /** Where it was down, the store may have come back older than it was. */
  readonly link: Pick<Link, "onState" | "state">;
}

/** What a membership needs. */
export interface MembershipOptions {
  /** Where connection ids come from; names this server and its incarnation. */
  readonly ids: ConnectionIdSource;
  /** A started store, which is not closed here. */
  readonly store: MembershipStore;
  /** Told of each room that a local connection enters or leaves; a join waits for it. */
  readonly interest: RoomInterest;
  /** Where other machines reach this server; told to them, not interpreted. Default `localhost`. */
  readonly host?: string | undefined;
  /** Default 0. */
  readonly port?: number | undefined;
  /** Time between heartbeats. Default 30,000; 100 to 3,600,000. */
  readonly heartbeatIntervalMs?: number | undefined;
  /** How long the lease lives without one. Default 90,000; more than the interval. */
  readonly leaseTtlMs?: number | undefined;
  /**
   * How long a server may be silent, neither giving signs of life nor listening to its channel,
   * before its lease is ended, in milliseconds. For servers whose router listens to that
   * channel: a process that died is found by it long before its lease runs out. 0: only the
   * lease decides, up to `leaseTtlMs` after the death. Default 0, while a node of `@cm/node`,
   * which has such a router, has 5,000; 100 to 3,600,000.
   */
  readonly deadAfterMs?: number | undefined;
  /** The store's time to live of a connection record, renewed well before. Default 3,600,000. */
  readonly connectionTtlMs?: number | undefined;
  /**
   * How long a user whose last connection was closed still counts as online, in
   * milliseconds: a reload is no change. 0: offline at once. Default 5,000; 0 to 3,600,000.
   */
  readonly offlineGraceMs?: number | undefined;
  /** The most bytes of UTF-8 that a connection's metadata has as JSON. Default 1,024; 0 to 65,536. */
  readonly maxMetadataBytes?: number | undefined;
  /**
   * How many connections a user may have on all servers; one more fails to open with
   * `connections-limit`. Those of a server that died count until it was cleaned up after.
   * Default 0: any number; 0 to 1,000,000.
   */
  readonly maxConnectionsPerUser?: number | undefined;
  /**
   * The most members of rooms on this server, one for each room of a connection; a join beyond it fails with
   * `capacity-reached`. Default 0: no limit; 0 to 1,000,000,000.
   */
  readonly maxMemberships?: number | undefined;
  /**
   * The most rooms with members on this server; a join that would begin another one fails with
   * `capacity-reached`. Default 0: no limit; 0 to 1,000,000,000.
   */
  readonly maxRooms?: number | undefined;
  /**
   * When a connection last gave a sign of life, in milliseconds since the Unix epoch;
   * `undefined` where that is not known. Asked when a record is written and when stale
   * connections are looked for. Default: never known, and no connection is ever stale.
   */
  readonly lastSeenOf?: (connectionId: string) => number | undefined;
  /** A connection that was silent for this time is stale. Default 1,800,000. */
  readonly staleConnectionTimeoutMs?: number | undefined;
  /**
   * Time between looks for stale connections, and within which everything that the store
   * holds of this server is compared with the truth once. Default 300,000.
   */
  readonly cleanupIntervalMs?: number | undefined;
  /** Called for each stale connection; the owner of the socket closes it. Must not throw. */
  readonly onStale?: ((connectionId: string) => void) | undefined;
  /**
   * Called once where the lease ran out and another process took the server id: this one
   * has no place in the cluster any more and should close. Must not throw.
   */
  readonly onLeaseTaken?: ((error: CmError) => void) | undefined;
  /**
   * How long a claim to clean up after a dead server lasts, in milliseconds; it is extended
   * while that goes on. This long after a server died in the midst of it, another one takes
   * over. Default: as the lease, at least 1,000 and at most 30,000; 100 to 3,600,000.
   */
  readonly reapClaimMs?: number | undefined;
  /**
   * Called with the ids of servers that have died, once for each, when a heartbeat or the
   * cleaning up after them shows it: nothing more comes from them. Must not throw.
   */
  readonly onServersLost?: ((serverIds: readonly string[]) => void) | undefined;
  /**
   * Called where something in the store had to be put right, at most once for each kind of
   * comparison within `cleanupIntervalMs`; for a log. Must not throw.
   */
  readonly onDrift?: ((repair: DriftReport) => void) | undefined;
  /**
   * Called each time the lease was acquired again, after everything was projected again and
   * before anybody else writes: for what the application keeps in the store beside it.
   * Where it fails, both are done again after a later heartbeat, unless trying again would not
   * help; that is told and left at it.
   */
  readonly onRestored?: ((lease: Lease) => Promise<void>) | undefined;
  /** Failures that no caller is waiting for. Default: dropped. */
  readonly onError?: OnError | undefined;
  /** Milliseconds since the Unix epoch. Default `Date.now`. Never used to judge a lease. */
  readonly now?: (() => number) | undefined;
}

/** {@link MembershipOptions} with every default filled in. */
export type ResolvedMembershipOptions = Complete<MembershipOptions>;

const KNOWN: Readonly<Record<keyof MembershipOptions, true>> = {
  ids: true,
  store: true,
  interest: true,
  host: true,
  port: true,
  heartbeatIntervalMs: true,
  leaseTtlMs: true,
  deadAfterMs: true,
  connectionTtlMs: true,
  offlineGraceMs: true,
  maxMetadataBytes: true,
  maxConnectionsPerUser: true,
  maxMemberships: true,
  maxRooms: true,
  lastSeenOf: true,
  staleConnectionTimeoutMs: true,
  cleanupIntervalMs: true,
  onStale: true,
  onLeaseTaken: true,
  reapClaimMs: true,
  onServersLost: true,
  onDrift: true,
  onRestored: true,
  onError: true,
  now: true,
};

/** Fills in the defaults; throws `options-invalid`. */
export function resolveMembershipOptions(given: MembershipOptions): ResolvedMembershipOptions {
  const options = requireOptions(given, KNOWN);
  const { heartbeatIntervalMs = 30_000, leaseTtlMs = 90_000, connectionTtlMs = 3_600_000 } = options;
  const { deadAfterMs = 0, offlineGraceMs = 5_000, maxMetadataBytes = 1_024, maxConnectionsPerUser = 0 } = options;
  const { maxMemberships = 0, maxRooms = 0 } = options;
  const { staleConnectionTimeoutMs = 1_800_000, cleanupIntervalMs = 300_000 } = options;
  const { reapClaimMs = Math.min(30_000, Math.max(1_000, leaseTtlMs)), host = "localhost", port = 0 } = options;
  const { lastSeenOf = () => undefined, onStale = () => undefined, onLeaseTaken = () => undefined } = options;
  const { onServersLost = () => undefined, onDrift = () => undefined, onRestored = async () => undefined } = options;
  const { onError = () => undefined, now = Date.now } = options;
  const resolved: ResolvedMembershipOptions = {
    ids: requireMembers("ids", options.ids, ["next"]),
    store: requireMembers("store", options.store, [
      "servers",
      "connections",
      "rooms",
      "users",
      "partitioning",
      "upkeep",
      "link",
    ]),
    interest: requireMembers("interest", options.interest, ["enter", "exit"]),
    host: requireText("host", host),
    port: requireWholeNumber("port", port, { min: 0, max: 65_535 }),
    heartbeatIntervalMs: requireDurationMs("heartbeatIntervalMs", heartbeatIntervalMs, 100),
    leaseTtlMs: requireDurationMs("leaseTtlMs", leaseTtlMs, 200),
    deadAfterMs: deadAfterMs === 0 ? 0 : requireDurationMs("deadAfterMs", deadAfterMs, 100, 3_600_000),
    connectionTtlMs: requireDurationMs("connectionTtlMs", connectionTtlMs, 1_000),
    offlineGraceMs: requireDurationMs("offlineGraceMs", offlineGraceMs, 0, 3_600_000),
    maxMetadataBytes: requireWholeNumber("maxMetadataBytes", maxMetadataBytes, { min: 0, max: 65_536 }, "bytes"),
    maxConnectionsPerUser: requireWholeNumber(
      "maxConnectionsPerUser",
      maxConnectionsPerUser,
      { min: 0, max: 1_000_000 },
      "connections",
    ),
    maxMemberships: requireWholeNumber("maxMemberships", maxMemberships, { min: 0, max: 1_000_000_000 }),
    maxRooms: requireWholeNumber("maxRooms", maxRooms, { min: 0, max: 1_000_000_000 }),
    lastSeenOf: requireFunction("lastSeenOf", lastSeenOf),
    staleConnectionTimeoutMs: requireDurationMs("staleConnectionTimeoutMs", staleConnectionTimeoutMs, 1_000),
    cleanupIntervalMs: requireDurationMs("cleanupIntervalMs", cleanupIntervalMs, 100),
    onStale: requireFunction("onStale", onStale),
    onLeaseTaken: requireFunction("onLeaseTaken", onLeaseTaken),
    reapClaimMs: requireDurationMs("reapClaimMs", reapClaimMs, 100, 3_600_000),
    onServersLost: requireFunction("onServersLost", onServersLost),
    onDrift: requireFunction("onDrift", onDrift),
    onRestored: requireFunction("onRestored", onRestored),
    onError: requireFunction("onError", onError),
    now: requireFunction("now", now),
  };
  if (leaseTtlMs > heartbeatIntervalMs) return resolved;
  throw new CmError("options-invalid", "leaseTtlMs must be greater than heartbeatIntervalMs.", {
    details: { field: "leaseTtlMs", leaseTtlMs, heartbeatIntervalMs },
  });
}
