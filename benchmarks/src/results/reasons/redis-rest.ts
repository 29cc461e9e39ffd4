import { round } from "../tables.js";

/**
 * Formats what is left of Redis's processor time without that of its commands, of the gateway and of the contender. The
 * time of commands includes waits for a core, so on a busy machine it may be more than the processor time; then
 * nothing is told.
 */
export function restOfRedis([own = Number.NaN, other = Number.NaN]: readonly number[]): string {
  if (!(own >= 0 && other >= 0)) return "";
  return `; everything else of Redis takes ${round(own)} us instead of ${round(other)}`;
}
