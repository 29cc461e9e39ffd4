import { CmError } from "@cm/protocol";

/** The longest duration in milliseconds, some 35 years: more than any caller means, and exact everywhere. */
const DURATION_MAX_MS = 2 ** 40;

/** `options-invalid` where a value is no positive number of milliseconds, or too many. */
export function requireDuration(value: number, field: string): void {
  if (value > 0) requireDurationOrNone(value, field);
  else throw invalid(field);
}

/** As {@link requireDuration}, but for 0, which stands for none. */
export function requireDurationOrNone(value: number, field: string): void {
  if (!(value >= 0 && value <= DURATION_MAX_MS)) throw invalid(field);
}

function invalid(field: string): CmError {
  return new CmError("options-invalid", `${field} must be a number of milliseconds, at most ${DURATION_MAX_MS}.`, {
    details: { field },
  });
}
