import {
  CmError,
  type ConnectionIdSource,
  type ConnectionRegistry,
  type Lease,
  type Link,
  type OnError,
  type RoomDirectory,
  type RoomInterest,
  type ServerRegistry,
  type StoreUpkeep,
  type UserDirectory,
} from "@cm/protocol";
import {
  type Complete,
  guardedCallback,
  requireDurationMs,
  requireFunction,
  requireMembers,
  requireOptions,
  requireText,
  requireWholeNumber,
} from "@cm/protocol/options";
import type { DriftReport } from "./reconcile/drift-report.js";

/** The parts of a store that a membership uses. */
export interface MembershipStore {
  /** Registry in which the lease is acquired and renewed. */
  readonly servers: ServerRegistry;
  /** Registry for the records of this server's connections. */
  readonly connections: ConnectionRegistry;
  /** Directory for the members of rooms. */
  readonly rooms: RoomDirectory;
  /** Directory for the connections of users. */
  readonly users: UserDirectory;
  /** Number of partitions that rooms and users are divided into. */
  readonly partitions: number;
  /** Calls for renewing, reconciling and cleaning up. */
  readonly upkeep: StoreUpkeep;
  /** The link to the store. After it was down, the store may have come back with older data. */
  readonly link: Pick<Link, "onState" | "state">;
}

/** Options of a membership. */
export interface MembershipOptions {
  /** Source of connection ids; also holds the id and incarnation of this server. */
  readonly ids: ConnectionIdSource;
  /** A started store. The membership does not close it. */
  readonly store: MembershipStore;
  /**
   * Subscribes to the rooms of local connections. `enter` is called for the first local member of a room, whose join
   * waits for it, and `exit` after the last one has left. For each room, the two alternate.
   */
  readonly interest: RoomInterest;
  /**
   * Host at which other machines reach this server. Published to other servers, not interpreted. Default
   * `localhost`.
   */
  readonly host?: string | undefined;
  /** Port at which other machines reach this server. Default 0. */
  readonly port?: number | undefined;
  /** Time between heartbeats, in milliseconds. Default 30,000; 100 to 3,600,000. */
  readonly heartbeatIntervalMs?: number | undefined;
  /**
   * Time to live of the lease without a heartbeat, in milliseconds. Default 90,000; more than
   * `heartbeatIntervalMs`.
   */
  readonly leaseTtlMs?: number | undefined;
  /**
   * Time without a sign of life after which a server's lease is ended, in milliseconds; a server that listens
   * to its channel keeps its lease. With this option, a process that died is detected long before its lease
   * expires. Set it only for servers whose router listens to that channel. 0: only the lease decides, up to
   * `leaseTtlMs` after the death. Default 0; a node of `@cm/node`, which has such a router, uses 5,000; 100
   * to 3,600,000.
   */
  readonly deadAfterMs?: number | undefined;
  /**
   * Time to live of a connection record in the store, in milliseconds. The record is renewed about three times
   * within this time. Default 3,600,000; 1,000 or more.
   */
  readonly connectionTtlMs?: number | undefined;
  /**
   * Time that a user stays online after the last connection was closed, in milliseconds, so that a page
   * reload causes no presence change. 0: offline at once. Default 5,000; 0 to 3,600,000.
   */
  readonly offlineGraceMs?: number | undefined;
  /** Maximum size of a connection's metadata as JSON, in bytes of UTF-8. Default 1,024; 0 to 65,536. */
  readonly maxMetadataBytes?: number | undefined;
  /**
   * Maximum number of connections of one user on all servers; opening one more rejects with `connections-limit`.
   * The connections of a dead server count until another server has cleaned up after it. Default 0: no limit; 0 to
   * 1,000,000.
   */
  readonly maxConnectionsPerUser?: number | undefined;
  /**
   * Maximum number of memberships of rooms on this server, one for each room of a connection; a join beyond
   * it rejects with `capacity-reached`. Default 0: no limit; 0 to 1,000,000,000.
   */
  readonly maxMemberships?: number | undefined;
  /**
   * Maximum number of rooms with members on this server; a join that would add another room rejects with
   * `capacity-reached`. Default 0: no limit; 0 to 1,000,000,000.
   */
  readonly maxRooms?: number | undefined;
  /**
   * Time at which a connection was last heard from, in milliseconds since the Unix epoch; `undefined` if unknown.
   * Called when a record is written and when stale connections are looked for. Default: always unknown, and no
   * connection is ever stale.
   */
  readonly lastSeenOf?: (connectionId: string) => number | undefined;
  /**
   * Time without hearing from a connection after which it is stale, in milliseconds. Default 1,800,000; 1,000 or
   * more.
   */
  readonly staleConnectionTimeoutMs?: number | undefined;
  /**
   * Time between searches for stale connections, in milliseconds. Within the same time, everything that the store
   * holds about this server is compared with the local state once. Default 300,000; 100 or more.
   */
  readonly cleanupIntervalMs?: number | undefined;
  /** Called for each stale connection; the owner of the socket should close it. */
  readonly onStale?: ((connectionId: string) => void) | undefined;
  /**
   * Called when a room has its first member on this server, after `interest` has entered the room and before that
   * member's join settles; if that join fails, `onRoomExited` follows.
   */
  readonly onRoomEntered?: ((room: string) => void) | undefined;
  /**
   * Called when the last member on this server has left a room, once after each `onRoomEntered`, but not for rooms
   * that still have members at a shutdown.
   */
  readonly onRoomExited?: ((room: string) => void) | undefined;
  /**
   * Called once if the lease expired and another process took the server id. This process is no longer part
   * of the cluster and should close.
   */
  readonly onLeaseTaken?: ((error: CmError) => void) | undefined;
  /**
   * Duration of a claim to clean up after a dead server, in milliseconds. The claim is extended while the
   * cleanup goes on; if the cleaning server dies, another one takes over after this time. Default:
   * `leaseTtlMs`, but at least 1,000 and at most 30,000; 100 to 3,600,000.
   */
  readonly reapClaimMs?: number | undefined;
  /**
   * Called with the ids of dead servers, once for each server, when a heartbeat or a cleanup finds them: no
   * more messages come from them.
   */
  readonly onServersLost?: ((serverIds: readonly string[]) => void) | undefined;
  /**
   * Called after drift in the store was repaired, at most once for each kind of entry within
   * `cleanupIntervalMs`; meant for a log.
   */
  readonly onDrift?: ((report: DriftReport) => void) | undefined;
  /**
   * Restores the application's own data in the store. Called each time everything was projected again: after the
   * lease was acquired again, before any caller can write, and after the store may have lost data. If it rejects,
   * the projection and this call are repeated after a later heartbeat. A permanent error is only reported, since a
   * retry would not help.
   */
  readonly onRestored?: ((lease: Lease) => Promise<void>) | undefined;
  /**
   * Called with failures that no caller is waiting for, and with the errors of the functions above that throw or
   * reject. Must not throw. Default: they are dropped.
   */
  readonly onError?: OnError | undefined;
  /** The current time in milliseconds since the Unix epoch. Default `Date.now`. Never used to judge a lease. */
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
  onRoomEntered: true,
  onRoomExited: true,
  onLeaseTaken: true,
  reapClaimMs: true,
  onServersLost: true,
  onDrift: true,
  onRestored: true,
  onError: true,
  now: true,
};

/** Fills in the defaults. Throws `options-invalid`. */
export function resolveMembershipOptions(given: MembershipOptions): ResolvedMembershipOptions {
  const options = requireOptions(given, KNOWN);
  const { heartbeatIntervalMs = 30_000, leaseTtlMs = 90_000, connectionTtlMs = 3_600_000 } = options;
  const { deadAfterMs = 0, offlineGraceMs = 5_000, maxMetadataBytes = 1_024, maxConnectionsPerUser = 0 } = options;
  const { maxMemberships = 0, maxRooms = 0 } = options;
  const { staleConnectionTimeoutMs = 1_800_000, cleanupIntervalMs = 300_000 } = options;
  // Checked first, because the default of `reapClaimMs` is calculated from it.
  requireDurationMs("leaseTtlMs", leaseTtlMs, 200);
  const { reapClaimMs = Math.min(30_000, Math.max(1_000, leaseTtlMs)), host = "localhost", port = 0 } = options;
  const { lastSeenOf = () => undefined, onStale = () => undefined, onLeaseTaken = () => undefined } = options;
  const { onRoomEntered = () => undefined, onRoomExited = () => undefined } = options;
  const { onServersLost = () => undefined, onDrift = () => undefined, onRestored = async () => undefined } = options;
  const { onError = () => undefined, now = Date.now } = options;
  const guarded = <A extends readonly unknown[], R>(name: string, call: (...args: A) => R | undefined) =>
    guardedCallback(name, requireFunction(name, call), onError, undefined);
  const resolved: ResolvedMembershipOptions = {
    ids: requireMembers("ids", options.ids, ["next"]),
    store: requireStore(options.store),
    interest: requireMembers("interest", options.interest, ["enter", "exit"]),
    host: requireText("host", host),
    port: requireWholeNumber("port", port, { min: 0, max: 65_535 }),
    heartbeatIntervalMs: requireDurationMs("heartbeatIntervalMs", heartbeatIntervalMs, 100),
    leaseTtlMs,
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
    lastSeenOf: guarded("lastSeenOf", lastSeenOf),
    staleConnectionTimeoutMs: requireDurationMs("staleConnectionTimeoutMs", staleConnectionTimeoutMs, 1_000),
    cleanupIntervalMs: requireDurationMs("cleanupIntervalMs", cleanupIntervalMs, 100),
    onStale: guarded("onStale", onStale),
    onRoomEntered: guarded("onRoomEntered", onRoomEntered),
    onRoomExited: guarded("onRoomExited", onRoomExited),
    onLeaseTaken: guarded("onLeaseTaken", onLeaseTaken),
    reapClaimMs: requireDurationMs("reapClaimMs", reapClaimMs, 100, 3_600_000),
    onServersLost: guarded("onServersLost", onServersLost),
    onDrift: guarded("onDrift", onDrift),
    onRestored: requireFunction("onRestored", onRestored),
    onError: requireFunction("onError", onError),
    now: requireFunction("now", now),
  };
  if (leaseTtlMs > heartbeatIntervalMs) return resolved;
  throw new CmError("options-invalid", "leaseTtlMs must be greater than heartbeatIntervalMs.", {
    details: { field: "leaseTtlMs", leaseTtlMs, heartbeatIntervalMs },
  });
}

function requireStore(given: MembershipStore): MembershipStore {
  const store = requireMembers("store", given, ["servers", "connections", "rooms", "users", "upkeep", "link"]);
  requireWholeNumber("store.partitions", store.partitions, { min: 1, max: Number.MAX_SAFE_INTEGER });
  return store;
}
