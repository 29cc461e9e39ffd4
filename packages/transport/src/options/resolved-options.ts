import { isIP } from "node:net";
import type { OnError } from "@cm/protocol";
import {
  optionInvalid,
  requireDurationMs,
  requireFunction,
  requireOptions,
  requireWholeNumber,
} from "@cm/protocol/options";
import { isOrigin } from "../admission/origin.js";
import type { ConnectionHandler } from "../connections/connection-handler.js";
import { createFaultCounter, type FaultCounter } from "../counters/fault-counter.js";
import { type RouteTable, routeTableOf } from "../http/route-table.js";
import { TrustedProxies } from "../http/trusted-proxies.js";
import { ROOM_WINDOW_MAX_MS, type RoomWindow, type RoomWindowRule } from "../rooms/room-window.js";
import { type ResolvedSlowReaderOptions, resolveSlowReaders } from "../rooms/slow-reader-options.js";
import { fixedPath, knownMembers } from "./option-checks.js";
import type { TransportOptions } from "./transport-options.js";

/** {@link TransportOptions} with all defaults filled in and all values checked. */
export interface ResolvedTransportOptions<U> {
  /** See {@link TransportOptions.host}. */
  readonly host: string;
  /** See {@link TransportOptions.port}. */
  readonly port: number;
  /** See {@link TransportOptions.path}. */
  readonly path: string;
  /** See {@link TransportOptions.subprotocols}. */
  readonly subprotocols: readonly string[];
  /** See {@link TransportOptions.allowedOrigins}; `undefined` for any. */
  readonly allowedOrigins: ReadonlySet<string> | undefined;
  /** See {@link TransportOptions.maxConnections}. */
  readonly maxConnections: number;
  /** See {@link TransportOptions.maxPendingUpgrades}. */
  readonly maxPendingUpgrades: number;
  /** See {@link TransportOptions.maxConnectionsPerAddress}. */
  readonly maxConnectionsPerAddress: number;
  /** See {@link TransportOptions.maxUpgradesPerSecondPerAddress}. */
  readonly maxUpgradesPerSecondPerAddress: number;
  /** See {@link TransportOptions.trustedProxies}. */
  readonly trustedProxies: TrustedProxies;
  /** See {@link TransportOptions.maxHeadBytes}. */
  readonly maxHeadBytes: number;
  /** See {@link TransportOptions.maxFrameBytes}. */
  readonly maxFrameBytes: number;
  /** See {@link TransportOptions.maxControlFramesPerSecond}. */
  readonly maxControlFramesPerSecond: number;
  /** See {@link TransportOptions.maxBackpressureBytes}. */
  readonly maxBackpressureBytes: number;
  /** See {@link TransportOptions.maxTotalBackpressureBytes}. */
  readonly maxTotalBackpressureBytes: number;
  /** See {@link TransportOptions.slowReaders}, resolved; `undefined` if every slow reader is closed. */
  readonly slowReaders: ResolvedSlowReaderOptions | undefined;
  /** See {@link TransportOptions.roomWindowMs}. */
  readonly roomWindowMs: RoomWindow;
  /** See {@link TransportOptions.roomWindows}; the longest prefix first. */
  readonly roomWindows: readonly RoomWindowRule[];
  /** See {@link TransportOptions.maxMembersPerTurn}. */
  readonly maxMembersPerTurn: number;
  /** See {@link TransportOptions.idleTimeoutMs}. */
  readonly idleTimeoutMs: number;
  /** See {@link TransportOptions.pingIntervalMs}. */
  readonly pingIntervalMs: number;
  /** See {@link TransportOptions.authenticationTimeoutMs}. */
  readonly authenticationTimeoutMs: number;
  /** See {@link TransportOptions.closeTimeoutMs}. */
  readonly closeTimeoutMs: number;
  /** See {@link TransportOptions.authenticate}. */
  readonly authenticate: TransportOptions<U>["authenticate"];
  /** See {@link TransportOptions.nextConnectionId}. */
  readonly nextConnectionId: () => string;
  /** See {@link TransportOptions.handler}. */
  readonly handler: ConnectionHandler<U>;
  /** See {@link TransportOptions.routes}. */
  readonly routes: RouteTable;
  /** See {@link TransportOptions.faults}. */
  readonly faults: FaultCounter;
  /** See {@link TransportOptions.onError}. */
  readonly onError: OnError;
}

/** All known options. */
const KNOWN: Readonly<Record<keyof TransportOptions<unknown>, true>> = {
  host: true,
  port: true,
  path: true,
  subprotocols: true,
  allowedOrigins: true,
  maxConnections: true,
  maxPendingUpgrades: true,
  maxConnectionsPerAddress: true,
  maxUpgradesPerSecondPerAddress: true,
  trustedProxies: true,
  maxHeadBytes: true,
  maxFrameBytes: true,
  maxControlFramesPerSecond: true,
  maxBackpressureBytes: true,
  maxTotalBackpressureBytes: true,
  slowReaders: true,
  roomWindowMs: true,
  roomWindows: true,
  maxMembersPerTurn: true,
  idleTimeoutMs: true,
  pingIntervalMs: true,
  authenticationTimeoutMs: true,
  closeTimeoutMs: true,
  authenticate: true,
  nextConnectionId: true,
  handler: true,
  routes: true,
  faults: true,
  onError: true,
};

const KIB = 1024;
const MIB = 1024 * KIB;
/** RFC 6455: a subprotocol is a token of RFC 7230. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/;
const HOST_NAME = /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?$/;

/**
 * Fills in defaults and checks every common option, because some invalid values make native code abort the
 * process. `own` lists the names of the transport's additional options, which are not checked here.
 *
 * @throws CmError `options-invalid`; `details.field` names the option.
 */
export function resolveTransportOptions<U>(
  options: TransportOptions<U>,
  own: readonly string[] = [],
): ResolvedTransportOptions<U> {
  requireOptions<object>(options, { ...KNOWN, ...Object.fromEntries(own.map((name) => [name, true])) });
  const path = fixedPath("path", options.path ?? "/ws");
  const port = requireWholeNumber("port", options.port, { min: 0, max: 65_535 });
  const idleTimeoutMs = requireDurationMs("idleTimeoutMs", options.idleTimeoutMs ?? 120_000, 1_000, 900_000);
  const limits = resolveLimits(options);
  return {
    host: host(options.host ?? "127.0.0.1"),
    port,
    path,
    subprotocols: subprotocols(options.subprotocols),
    allowedOrigins: options.allowedOrigins === undefined ? undefined : origins(options.allowedOrigins),
    ...limits,
    trustedProxies: trustedProxies(options.trustedProxies ?? []),
    slowReaders: resolveSlowReaders(options.slowReaders, limits.maxBackpressureBytes),
    roomWindowMs: roomWindow("roomWindowMs", options.roomWindowMs ?? 0),
    roomWindows: resolveRoomWindows(options.roomWindows ?? []),
    idleTimeoutMs,
    pingIntervalMs: pingInterval(options.pingIntervalMs, idleTimeoutMs),
    authenticationTimeoutMs: requireDurationMs(
      "authenticationTimeoutMs",
      options.authenticationTimeoutMs ?? 5_000,
      1,
      600_000,
    ),
    closeTimeoutMs: requireDurationMs("closeTimeoutMs", options.closeTimeoutMs ?? 5_000, 0, 600_000),
    authenticate: requireFunction("authenticate", options.authenticate),
    nextConnectionId: requireFunction("nextConnectionId", options.nextConnectionId),
    handler: handler(options.handler),
    routes: routeTableOf(options.routes ?? {}, path),
    faults: faultCounter(options.faults ?? createFaultCounter()),
    onError: requireFunction("onError", options.onError),
  };
}

/** The limits of numbers and sizes. */
type Limits = Pick<ResolvedTransportOptions<unknown>, Extract<keyof TransportOptions<unknown>, `max${string}`>>;

function resolveLimits(options: Pick<TransportOptions<never>, keyof Limits>): Limits {
  const count = (field: keyof Limits, byDefault: number, min: number): number =>
    requireWholeNumber(field, options[field] ?? byDefault, { min, max: 1_000_000 });
  const bytes = (field: keyof Limits, byDefault: number, min: number, max: number): number =>
    requireWholeNumber(field, options[field] ?? byDefault, { min, max }, "bytes");
  return {
    maxConnections: count("maxConnections", 10_000, 1),
    maxPendingUpgrades: count("maxPendingUpgrades", 1_000, 0),
    maxConnectionsPerAddress: count("maxConnectionsPerAddress", 1_000, 0),
    maxUpgradesPerSecondPerAddress: count("maxUpgradesPerSecondPerAddress", 100, 0),
    maxHeadBytes: bytes("maxHeadBytes", 16 * KIB, KIB, 64 * KIB),
    maxFrameBytes: bytes("maxFrameBytes", 16 * KIB, 128, 16 * MIB),
    maxControlFramesPerSecond: count("maxControlFramesPerSecond", 20, 0),
    maxBackpressureBytes: bytes("maxBackpressureBytes", MIB, 64 * KIB, 256 * MIB),
    maxTotalBackpressureBytes: bytes("maxTotalBackpressureBytes", 256 * MIB, 0, 2 ** 40),
    maxMembersPerTurn: count("maxMembersPerTurn", 200, 10),
  };
}

function roomWindow(field: string, value: unknown): RoomWindow {
  if (value === "auto") return value;
  if (typeof value === "string") throw optionInvalid(field, `"auto" or a whole number from 0 to ${ROOM_WINDOW_MAX_MS}`);
  return requireWholeNumber(field, value, { min: 0, max: ROOM_WINDOW_MAX_MS });
}

/** Every message looks for its rule, so there may not be many. */
const ROOM_WINDOW_RULES_MAX = 100;

/** Checks the windows of rooms, and sorts them: the longest prefix first. Throws `options-invalid`. */
export function resolveRoomWindows(rules: unknown): RoomWindowRule[] {
  if (!Array.isArray(rules) || rules.length > ROOM_WINDOW_RULES_MAX) {
    throw optionInvalid("roomWindows", `a list of at most ${ROOM_WINDOW_RULES_MAX} rules`);
  }
  const resolved = rules.map((rule: unknown, index): RoomWindowRule => {
    const field = `roomWindows[${index}]`;
    if (typeof rule !== "object" || rule === null) throw optionInvalid(field, "an object");
    knownMembers(field, rule, ["prefix", "windowMs"]);
    // Plain JavaScript may pass anything, so each member is checked.
    const { prefix, windowMs } = rule as { readonly prefix?: unknown; readonly windowMs?: unknown };
    if (typeof prefix !== "string") throw optionInvalid(`${field}.prefix`, "a string");
    return { prefix, windowMs: roomWindow(`${field}.windowMs`, windowMs) };
  });
  return resolved.sort((left, right) => right.prefix.length - left.prefix.length);
}

function pingInterval(value: unknown, idleTimeoutMs: number): number {
  const byDefault = Math.min(25_000, Math.floor(idleTimeoutMs / 2));
  const pingIntervalMs = requireDurationMs("pingIntervalMs", value ?? byDefault, 0, idleTimeoutMs - 1);
  if (pingIntervalMs > 0 && pingIntervalMs < 100) throw optionInvalid("pingIntervalMs", "0, or 100 or more");
  return pingIntervalMs;
}

function host(value: unknown): string {
  if (typeof value !== "string" || (isIP(value) === 0 && !HOST_NAME.test(value))) {
    throw optionInvalid("host", "an IP address or a host name");
  }
  return value;
}

function subprotocols(value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw optionInvalid("subprotocols", 'a list with at least one name, such as ["chat.v1"]');
  }
  return value.map((name: unknown) => {
    if (typeof name !== "string" || !TOKEN.test(name)) {
      throw optionInvalid("subprotocols", "tokens of at most 64 characters (RFC 7230)");
    }
    return name;
  });
}

function origins(value: unknown): ReadonlySet<string> {
  if (!Array.isArray(value)) throw optionInvalid("allowedOrigins", 'a list, such as ["https://example.com"]');
  return new Set(
    value.map((origin: unknown) => {
      if (typeof origin !== "string" || !isOrigin(origin)) {
        throw optionInvalid("allowedOrigins", 'a list of origins such as "https://example.com", without a path');
      }
      return origin;
    }),
  );
}

function trustedProxies(value: unknown): TrustedProxies {
  if (!Array.isArray(value)) throw optionInvalid("trustedProxies", 'a list, such as ["10.0.0.0/8"]');
  try {
    return new TrustedProxies(value);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw optionInvalid("trustedProxies", `a list of addresses and subnets such as 10.0.0.0/8; ${cause.message}`);
  }
}

function handler<U>(value: ConnectionHandler<U>): ConnectionHandler<U> {
  if (typeof value !== "object" || value === null) throw optionInvalid("handler", "an object");
  for (const name of ["open", "frame", "binary", "closed"] as const) requireFunction(`handler.${name}`, value[name]);
  if (value.pong !== undefined) requireFunction("handler.pong", value.pong);
  return value;
}

function faultCounter(value: FaultCounter): FaultCounter {
  if (typeof value !== "object" || value === null) throw optionInvalid("faults", "an object");
  for (const name of ["count", "counts"] as const) requireFunction(`faults.${name}`, value[name]);
  return value;
}
