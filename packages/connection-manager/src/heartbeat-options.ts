import { LONGEST_DURATION_MS, optionInvalid, requireDurationMs } from "@cm/protocol/options";

/** Default of `heartbeatInterval`, in milliseconds. */
export const DEFAULT_HEARTBEAT_INTERVAL_MS = 30_000;

/** The options of both managers that concern heartbeats and stale connections, as the user gave them. */
export interface HeartbeatOptions {
  readonly heartbeatInterval?: number | undefined;
  /** In seconds. */
  readonly heartbeatTTL?: number | undefined;
  readonly staleConnectionTimeout?: number | undefined;
  readonly cleanupInterval?: number | undefined;
}

/** {@link HeartbeatOptions}, checked and with defaults filled in, all in milliseconds. */
export interface ResolvedHeartbeatOptions {
  readonly heartbeatIntervalMs: number;
  readonly heartbeatTtlMs: number;
  readonly staleConnectionTimeoutMs: number;
  readonly cleanupIntervalMs: number;
}

/**
 * Fills in the defaults. `defaultTtlMs` is the default of `heartbeatTTL`, in milliseconds. Throws `options-invalid`.
 */
export function resolveHeartbeatOptions(options: HeartbeatOptions, defaultTtlMs: number): ResolvedHeartbeatOptions {
  const heartbeatIntervalMs = requireDurationMs(
    "heartbeatInterval",
    options.heartbeatInterval ?? DEFAULT_HEARTBEAT_INTERVAL_MS,
    100,
    3_600_000,
  );
  return {
    heartbeatIntervalMs,
    heartbeatTtlMs: requireHeartbeatTtlMs(options.heartbeatTTL ?? defaultTtlMs / 1_000, heartbeatIntervalMs),
    staleConnectionTimeoutMs: requireDurationMs(
      "staleConnectionTimeout",
      options.staleConnectionTimeout ?? 1_800_000,
      1_000,
      LONGEST_DURATION_MS,
    ),
    cleanupIntervalMs: requireDurationMs(
      "cleanupInterval",
      options.cleanupInterval ?? 300_000,
      100,
      LONGEST_DURATION_MS,
    ),
  };
}

/** Whether one late heartbeat is enough to lose the lease. */
export function isTtlTight({ heartbeatIntervalMs, heartbeatTtlMs }: ResolvedHeartbeatOptions): boolean {
  return heartbeatTtlMs <= 2 * heartbeatIntervalMs;
}

/** The warning for a TTL that {@link isTtlTight}; `consequence` is the end of the sentence. */
export function tightTtlWarning(
  { heartbeatIntervalMs, heartbeatTtlMs }: ResolvedHeartbeatOptions,
  consequence: string,
): string {
  return (
    `heartbeatTTL (${heartbeatTtlMs / 1_000} s) is not more than twice heartbeatInterval ` +
    `(${heartbeatIntervalMs} ms): ${consequence}`
  );
}

/** Converts seconds to milliseconds, rounded to a millisecond. Throws `options-invalid` if they are out of range. */
export function requireSeconds(field: string, value: unknown, min: number, max: number): number {
  if (typeof value === "number" && value >= min && value <= max) return Math.round(value * 1_000);
  throw optionInvalid(field, `a number of seconds from ${min} to ${max}`);
}

function requireHeartbeatTtlMs(heartbeatTtl: unknown, heartbeatIntervalMs: number): number {
  const ttlMs = requireSeconds("heartbeatTTL", heartbeatTtl, 0.2, LONGEST_DURATION_MS / 1_000);
  if (ttlMs > heartbeatIntervalMs) return ttlMs;
  throw optionInvalid(
    "heartbeatTTL",
    `more than heartbeatInterval (${heartbeatIntervalMs} ms); it is ${ttlMs / 1_000} s`,
  );
}
