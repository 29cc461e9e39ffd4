import { nearestName } from "@cm/protocol/options";

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
 * two edits from a known name.
 */
export function misspeltVariables(
  env: Readonly<Record<string, string | undefined>>,
  known: readonly string[],
): string[] {
  return Object.keys(env).flatMap((name) => {
    if (env[name] === undefined || known.includes(name)) return [];
    const nearest = name.length < NEAR_LENGTH_MIN ? undefined : nearestName(name, known, NEAR_EDITS_MAX);
    if (nearest !== undefined) return [`${name} is not a known variable and is ignored. Did you mean ${nearest}?`];
    return OWN_PREFIXES.some((prefix) => name.startsWith(prefix))
      ? [`${name} is not a known variable and is ignored`]
      : [];
  });
}
