import { CmError } from "@cm/protocol";

/**
 * Maximum duration in milliseconds, about 35 years: more than any use needs, and exact in every number
 * format.
 */
const DURATION_MAX_MS = 2 ** 40;

/** Throws `options-invalid` unless the value is a positive number of milliseconds within the maximum. */
export function requireDuration(value: number, field: string): void {
  if (value > 0) requireDurationOrNone(value, field);
  else throw invalid(field);
}

/** Like {@link requireDuration}, but allows 0, which means none. */
export function requireDurationOrNone(value: number, field: string): void {
  if (!(value >= 0 && value <= DURATION_MAX_MS)) throw invalid(field);
}

function invalid(field: string): CmError {
  return new CmError("options-invalid", `${field} must be a number of milliseconds, at most ${DURATION_MAX_MS}.`, {
    details: { field },
  });
}
