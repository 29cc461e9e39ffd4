import { CmError } from "@cm/protocol";
import { createCmDialect } from "./clients/cm-dialect.js";
import type { Dialect } from "./clients/dialect.js";
import type { LoadProgress } from "./report/load-progress.js";
import { PAYLOAD_MIN_BYTES } from "./stamped-payload.js";

/** The beginning of the steady part of a run, after the warm-up, or its end, at the last publish. */
export type SteadyEdge = "begin" | "end";

/** Options of {@link runLoad}. */
export interface LoadOptions {
  /** `ws://` addresses of the servers. The members of a room are spread over the addresses in turn. */
  readonly urls: readonly string[];
  /** Whether addresses other than loopback are allowed. Default false. */
  readonly allowRemote?: boolean;
  /** Number of rooms, 1 to 10,000. Default 20. */
  readonly rooms?: number;
  /** Number of members of each room, each with one connection, 1 to 10,000. Default 10. */
  readonly members?: number;
  /** Number of members of each room that publish, or `all`. Default all. */
  readonly publishers?: number | "all";
  /** Messages per second over all rooms, 1 to 100,000. Default 500. */
  readonly rate?: number;
  /**
   * Number of messages that a room gets at the same moment, 1 to 1,000, as from players whose clocks tick
   * together. They are from different publishers if the room has enough. The rate stays the same. Default 1.
   */
  readonly burst?: number;
  /**
   * Maximum number of messages whose publishers have not received their own copy yet, 1 to 1,000,000. Refused
   * messages do not count, and lost ones only for 2 s. A message beyond the limit is not sent and counts as
   * blocked. With a rate above what the servers can deliver, the limit keeps them saturated without a growing
   * queue. Requires `echo`. Default: no limit.
   */
  readonly maxInFlight?: number;
  /** Time for which messages are published after the warm-up, in seconds, 0.1 to 3,600. Default 10. */
  readonly seconds?: number;
  /**
   * Length of the warm-up in seconds, 0 to 600: its messages count neither for latency nor for the steady
   * figures. Default 0.
   */
  readonly warmupSeconds?: number;
  /** Size of `data` as JSON in bytes, 48 to 65,536. Default 200. */
  readonly bytes?: number;
  /** New connections per second, 1 to 10,000. Default 1,000. */
  readonly ramp?: number;
  /** Seed for room names, the tag of the run and the choice of publishers. Default: the clock. */
  readonly seed?: number;
  /** Prefix of the user names; each connection has its own user. Default `load-`. */
  readonly userPrefix?: string;
  /**
   * Shared secret (HS256) that signs a token for each connection. Default: no tokens; users are only named in
   * the query.
   */
  readonly tokenSecret?: string;
  /** Whether publishers receive their own messages. Default true. */
  readonly echo?: boolean;
  /** Whether publishes request a response, so that refused messages are distinguished from lost ones. Default true. */
  readonly acks?: boolean;
  /** Protocol of the servers. Default: the protocol of this project. */
  readonly dialect?: Dialect;
  /** Called once a second. */
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Called at the begin and end of the steady part. Runs on the driver's only thread, so it must be short. */
  readonly onSteady?: (edge: SteadyEdge) => void;
  /** Signal whose abort ends publishing early; deliveries of published messages are still awaited. */
  readonly signal?: AbortSignal;
}

/** {@link LoadOptions} with every default filled in. */
export interface ResolvedLoadOptions {
  readonly urls: readonly URL[];
  readonly rooms: number;
  readonly members: number;
  readonly publishers: number;
  readonly rate: number;
  readonly burst: number;
  readonly maxInFlight: number | undefined;
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly bytes: number;
  readonly ramp: number;
  readonly seed: number;
  readonly userPrefix: string;
  readonly tokenSecret: string | undefined;
  readonly echo: boolean;
  readonly acks: boolean;
  readonly dialect: Dialect;
  readonly onProgress: ((progress: LoadProgress) => void) | undefined;
  readonly onSteady: ((edge: SteadyEdge) => void) | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Maximum number of connections: one client address has about 28,000 ports for each server address. */
const CONNECTIONS_MAX = 20_000;

/** Maximum number of pairs of a member and a publisher, each of which takes 12 bytes of memory. */
const PAIRS_MAX = 8_000_000;

/** Fills in defaults. Throws `options-invalid` with the name of the field. */
export function resolveLoadOptions(options: LoadOptions): ResolvedLoadOptions {
  const rooms = whole("rooms", options.rooms ?? 20, 1, 10_000);
  const members = whole("members", options.members ?? 10, 1, 10_000);
  const publishers =
    options.publishers === undefined || options.publishers === "all"
      ? members
      : whole("publishers", options.publishers, 1, members);
  if (rooms * members > CONNECTIONS_MAX) {
    throw invalid("members", `rooms times members may be at most ${CONNECTIONS_MAX}.`);
  }
  if (rooms * members * publishers > PAIRS_MAX) {
    throw invalid("publishers", `rooms times members times publishers may be at most ${PAIRS_MAX}; set fewer.`);
  }
  return {
    urls: resolveUrls(options.urls, options.allowRemote ?? false),
    rooms,
    members,
    publishers,
    rate: ranged("rate", options.rate ?? 500, 1, 100_000),
    burst: whole("burst", options.burst ?? 1, 1, 1_000),
    maxInFlight: resolveMaxInFlight(options),
    seconds: ranged("seconds", options.seconds ?? 10, 0.1, 3_600),
    warmupSeconds: ranged("warmupSeconds", options.warmupSeconds ?? 0, 0, 600),
    bytes: whole("bytes", options.bytes ?? 200, PAYLOAD_MIN_BYTES, 65_536),
    ramp: ranged("ramp", options.ramp ?? 1_000, 1, 10_000),
    seed: whole("seed", options.seed ?? Date.now() % 2 ** 32, 0, 2 ** 32 - 1),
    userPrefix: resolveUserPrefix(options.userPrefix ?? "load-"),
    tokenSecret: options.tokenSecret,
    echo: options.echo ?? true,
    acks: options.acks ?? true,
    dialect: options.dialect ?? createCmDialect({ echo: options.echo ?? true, acks: options.acks ?? true }),
    onProgress: options.onProgress,
    onSteady: options.onSteady,
    signal: options.signal,
  };
}

function resolveUrls(texts: readonly string[], allowRemote: boolean): URL[] {
  if (texts.length === 0) throw invalid("urls", "At least one url is needed.");
  return texts.map((text) => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url === undefined || url.protocol !== "ws:") throw invalid("urls", `Not a ws:// address: ${text}`);
    if (!allowRemote && !isLoopback(url.hostname)) {
      throw invalid("urls", `${url.hostname} is not a loopback address; a load is only put on a server of your own.`);
    }
    return url;
  });
}

/** Whether a host, as written in a URL, is a loopback address. */
function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

function resolveUserPrefix(prefix: string): string {
  if (!/^[\w.-]{0,64}$/.test(prefix)) {
    throw invalid("userPrefix", "A user prefix is at most 64 characters of A-Z, a-z, 0-9, _, . and -.");
  }
  return prefix;
}

function resolveMaxInFlight({ maxInFlight, echo }: LoadOptions): number | undefined {
  if (maxInFlight === undefined) return undefined;
  if (echo === false) throw invalid("maxInFlight", "maxInFlight counts the publishers' own copies; leave echo on.");
  return whole("maxInFlight", maxInFlight, 1, 1_000_000);
}

function whole(field: string, value: number, min: number, max: number): number {
  if (!Number.isInteger(value)) throw invalid(field, `${field} must be a whole number.`);
  return ranged(field, value, min, max);
}

function ranged(field: string, value: number, min: number, max: number): number {
  // The condition is negated so that NaN fails too.
  if (!(value >= min && value <= max)) throw invalid(field, `${field} must be from ${min} to ${max}.`);
  return value;
}

function invalid(field: string, message: string): CmError {
  return new CmError("options-invalid", message, { details: { field } });
}
