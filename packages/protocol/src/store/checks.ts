import { CmError } from "../errors.js";
import { optionInvalid, requireWholeNumber } from "../options/option-checks.js";
import { HISTORY_LIMIT_MAX, STATES_MAX } from "./limits.js";

/**
 * Maximum duration in milliseconds, about 35 years: more than any use needs, and exact in every number
 * format.
 */
const DURATION_MAX_MS = 2 ** 40;

/** Throws `options-invalid` unless the value is a positive number of milliseconds within the maximum. */
export function requireDuration(value: number, field: string): void {
  if (value > 0) requireDurationOrNone(value, field);
  else throw durationInvalid(field);
}

/** Like {@link requireDuration}, but allows 0, which means none. */
export function requireDurationOrNone(value: number, field: string): void {
  if (!(Number.isFinite(value) && value >= 0 && value <= DURATION_MAX_MS)) throw durationInvalid(field);
}

/** Returns the element of `all` for a partition. Throws `options-invalid` if the partition does not exist. */
export function requirePartition<T>(all: readonly T[], partition: number): T {
  const found = all[partition];
  if (found !== undefined) return found;
  throw optionInvalid("partition", `a whole number from 0 to ${all.length - 1}`);
}

/** Throws `options-invalid` if the states of more than {@link STATES_MAX} users are requested. */
export function requireStatesCount(userIds: readonly string[]): void {
  if (userIds.length <= STATES_MAX) return;
  throw new CmError("options-invalid", `States can be requested for at most ${STATES_MAX} users at once.`, {
    details: { field: "userIds" },
  });
}

/** Throws `options-invalid` unless the value is a whole number from 1 to {@link HISTORY_LIMIT_MAX}. */
export function requireHistoryLimit(limit: number): void {
  requireWholeNumber("limit", limit, { min: 1, max: HISTORY_LIMIT_MAX });
}

function durationInvalid(field: string): CmError {
  return optionInvalid(field, `a number of milliseconds, at most ${DURATION_MAX_MS}`);
}
