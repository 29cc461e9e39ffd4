import { nearestName } from "@cm/protocol/options";

/** All variables that a gateway reads, by topic. */
export const VARIABLES = [
  "PORT",
  "LISTEN_HOST",
  "SERVER_HOST",
  "SERVER_ID",
  "WORKERS",
  "TRANSPORT",
  "REDIS_URL",
  "REDIS_HOST",
  "REDIS_PORT",
  "REDIS_PASSWORD",
  "REDIS_DB",
  "REDIS_PREFIX",
  "HEARTBEAT_INTERVAL_MS",
  "HEARTBEAT_TTL_SECONDS",
  "DEAD_AFTER_MS",
  "STALE_CONNECTION_TIMEOUT_MS",
  "CLEANUP_INTERVAL_MS",
  "CONNECTION_TTL_SECONDS",
  "OFFLINE_GRACE_MS",
  "LAST_SEEN_TTL_SECONDS",
  "DRAIN_SECONDS",
  "SHUTDOWN_TIMEOUT_MS",
  "MAX_CONNECTIONS",
  "MAX_CONNECTIONS_PER_ADDRESS",
  "MAX_UPGRADES_PER_SECOND_PER_ADDRESS",
  "MAX_PENDING_UPGRADES",
  "AUTHENTICATION_TIMEOUT_MS",
  "MAX_CONNECTIONS_PER_USER",
  "CONNECTIONS_PER_USER_POLICY",
  "TRUSTED_PROXIES",
  "MAX_HEAD_BYTES",
  "MAX_FRAME_BYTES",
  "MAX_BACKPRESSURE_BYTES",
  "MAX_TOTAL_BACKPRESSURE_BYTES",
  "MAX_SEQUENCERS",
  "MAX_MEMBERSHIPS",
  "MAX_SERVER_ROOMS",
  "ROOM_WINDOW_MS",
  "ROOM_WINDOWS",
  "MAX_ROOMS_PER_CONNECTION",
  "MAX_REQUESTS_PER_SECOND",
  "MAX_BYTES_PER_SECOND",
  "MAX_CONTROL_FRAMES_PER_SECOND",
  "MAX_FANOUT_PER_SECOND",
  "MAX_FANOUT_PERCENT",
  "IDLE_TIMEOUT_MS",
  "PING_INTERVAL_MS",
  "TOKEN_SECRET",
  "TOKEN_PUBLIC_KEY",
  "TOKEN_PUBLIC_KEY_FILE",
  "TOKEN_JWKS_URL",
  "TOKEN_ISSUER",
  "TOKEN_AUDIENCE",
  "TOKEN_SOURCES",
  "TOKEN_QUERY",
  "TOKEN_COOKIE",
  "TOKEN_CLOCK_TOLERANCE_SECONDS",
  "TOKEN_WARNING_SECONDS",
  "TOKEN_GRACE_SECONDS",
  "ADMIN_PORT",
  "ADMIN_HOST",
  "OPEN",
  "PAGE",
  "PUBLIC_STATS",
  "ALLOWED_ORIGINS",
  "RECOVERABLE_ROOMS",
  "SLOW_READER_DROP_ROOMS",
  "SLOW_READER_LATEST_ROOMS",
  "SLOW_READER_BYTES",
  "SHOW_SERVER_IDS",
  "LOG_LEVEL",
  "LOG_FORMAT",
] as const;

/** Variables that the process that starts the workers sets; people are not meant to set them. */
const INTERNAL = ["CM_WORKER"];

/**
 * Prefixes that only our own variables have. `REDIS_` is left out, because Kubernetes sets variables such as
 * `REDIS_PORT_6379_TCP` for a service named `redis`.
 */
const OWN_PREFIXES = [
  "CM_",
  "ADMIN_",
  "TOKEN_",
  "HEARTBEAT_",
  "RECOVERABLE_",
  "SLOW_READER_",
  "STALE_CONNECTION_",
  "OFFLINE_GRACE_",
];

/**
 * Minimum length of a name that is compared with known names. Shorter names are too similar to unrelated ones:
 * `PAGER` to `PAGE`, `SORT` to `PORT`.
 */
const NEAR_LENGTH_MIN = 6;

/** Maximum number of edits for a name to count as misspelt. Swapping two letters counts as two edits. */
const NEAR_EDITS_MAX = 2;

/**
 * Returns a sentence for each variable that looks misspelt: unknown with one of our own prefixes, or at most
 * two edits from a known name. `alsoKnown` lists further names that are read.
 */
export function misspeltVariables(
  env: Readonly<Record<string, string | undefined>>,
  alsoKnown: readonly string[],
): string[] {
  const known = [...new Set<string>([...VARIABLES, ...alsoKnown])];
  return Object.keys(env).flatMap((name) => {
    if (env[name] === undefined || known.includes(name) || INTERNAL.includes(name)) return [];
    const nearest = name.length < NEAR_LENGTH_MIN ? undefined : nearestName(name, known, NEAR_EDITS_MAX);
    if (nearest !== undefined) return [`${name} is not a known variable and is ignored. Did you mean ${nearest}?`];
    return OWN_PREFIXES.some((prefix) => name.startsWith(prefix))
      ? [`${name} is not a known variable and is ignored`]
      : [];
  });
}
