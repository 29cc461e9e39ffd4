import { LONGEST_DURATION_MS, optionInvalid } from "@cm/protocol/options";

/** Returns the option `heartbeatTTL`, given in seconds, in milliseconds. Throws `options-invalid`. */
export function requireHeartbeatTtlMs(heartbeatTtl: unknown, heartbeatIntervalMs: number): number {
  const ttlMs = requireSeconds("heartbeatTTL", heartbeatTtl, 0.2, LONGEST_DURATION_MS / 1_000);
  if (ttlMs > heartbeatIntervalMs) return ttlMs;
  throw optionInvalid(
    "heartbeatTTL",
    `more than heartbeatInterval (${heartbeatIntervalMs} ms); it is ${ttlMs / 1_000} s`,
  );
}

/** Converts seconds to milliseconds, rounded to a millisecond. Throws `options-invalid` if they are out of range. */
export function requireSeconds(field: string, value: unknown, min: number, max: number): number {
  if (typeof value === "number" && value >= min && value <= max) return Math.round(value * 1_000);
  throw optionInvalid(field, `a number of seconds from ${min} to ${max}`);
}
