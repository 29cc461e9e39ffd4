import { CmError } from "@cm/protocol";

/** `options-invalid` for one option. */
export function invalid(field: string, problem: string): CmError {
  return new CmError("options-invalid", `${field} ${problem}.`, { details: { field } });
}

/** A whole number within its bounds, or {@link invalid} thrown. */
export function whole(field: string, value: unknown, min: number, max: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
    throw invalid(field, `must be a whole number from ${min} to ${max}`);
  }
  return value;
}
