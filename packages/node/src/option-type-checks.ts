import type { NodeStoreOptions } from "./node-store.js";
import type { NodeMembershipOptions, NodePresenceOptions, NodeRouterOptions } from "./part-options.js";

/** The type that an option must have. The part that receives the option checks its range. */
export type OptionKind =
  | "string"
  | "number"
  | "boolean"
  | "function"
  | "number-or-function"
  | "store"
  | "local"
  | "parts";

/** Requires a kind for each option, so that a new option of a part can't be forgotten here. */
type KindsOf<T> = Readonly<Record<keyof T, OptionKind>>;

export const STORE_KINDS = {
  store: "store",
  redisUrl: "string",
  prefix: "string",
  connectionTtlMs: "number",
  lastSeenTtlMs: "number",
  roomRecordTtlMs: "number",
  publishWindowMs: "number-or-function",
} as const satisfies KindsOf<NodeStoreOptions>;

export const ROUTER_KINDS = {
  releaseDelayMs: "number",
  maxIdleSubscriptions: "number",
  maxSequencers: "number",
  maxPending: "number",
  onGap: "function",
  onServerMessage: "function",
  onControl: "function",
  onQuestion: "function",
  orderOf: "function",
  whileDown: "function",
  isRecoverable: "function",
} as const satisfies KindsOf<NodeRouterOptions>;

export const MEMBERSHIP_KINDS = {
  host: "string",
  port: "number",
  heartbeatIntervalMs: "number",
  leaseTtlMs: "number",
  deadAfterMs: "number",
  connectionTtlMs: "number",
  offlineGraceMs: "number",
  maxMetadataBytes: "number",
  maxConnectionsPerUser: "number",
  maxMemberships: "number",
  maxRooms: "number",
  lastSeenOf: "function",
  staleConnectionTimeoutMs: "number",
  cleanupIntervalMs: "number",
  onStale: "function",
  onRoomEntered: "function",
  onRoomExited: "function",
  reapClaimMs: "number",
  onServersLost: "function",
  onDrift: "function",
  onRestored: "function",
  now: "function",
} as const satisfies KindsOf<NodeMembershipOptions>;

export const PRESENCE_KINDS = {
  maxWatches: "number",
  maxUsersPerWatch: "number",
  maxCachedStates: "number",
  maxBufferedChanges: "number",
  recheckIntervalMs: "number",
  restoreWithinMs: "number",
  announceTtlMs: "number",
} as const satisfies KindsOf<NodePresenceOptions>;

/** The members that each of these objects must have. */
const STORE_PARTS = ["servers", "connections", "rooms", "users", "counts", "upkeep", "bus", "link"];
const LOCAL_CALLS = ["toRoom", "toConnection", "toUser"];
const PART_CALLS = ["start", "close"];

/** Returns a description of the expected value, or `undefined` if the value is as expected. */
export function expectationOf(kind: OptionKind, value: unknown): string | undefined {
  switch (kind) {
    case "number-or-function":
      return typeof value === "number" || typeof value === "function" ? undefined : "a number or a function";
    case "store":
      return isStore(value) ? undefined : "a store";
    case "local":
      return hasCalls(value, LOCAL_CALLS) ? undefined : `an object with ${LOCAL_CALLS.join(", ")}`;
    case "parts":
      return Array.isArray(value) && value.every((part) => hasCalls(part, PART_CALLS))
        ? undefined
        : `a list of objects with ${PART_CALLS.join(" and ")}`;
    default:
      return typeof value === kind ? undefined : `a ${kind}`;
  }
}

function isStore(value: unknown): boolean {
  const hasParts = STORE_PARTS.every((name) => typeof member(value, name) === "object");
  return hasParts && typeof member(value, "partitions") === "number";
}

function hasCalls(value: unknown, names: readonly string[]): boolean {
  return names.every((name) => typeof member(value, name) === "function");
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
