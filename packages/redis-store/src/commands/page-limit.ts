import { CmError } from "@cm/protocol";

/** Maximum page size; see the contract of `PageRequest`. */
const LIMIT_MAX = 1_000;

/** Throws `options-invalid` unless the limit is an integer from 1 to LIMIT_MAX. */
export function requireLimit(limit: number): void {
  if (Number.isInteger(limit) && limit >= 1 && limit <= LIMIT_MAX) return;
  throw new CmError("options-invalid", `limit must be a whole number from 1 to ${LIMIT_MAX}.`, {
    details: { field: "limit" },
  });
}
