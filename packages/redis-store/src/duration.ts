import { CmError } from "@cm/protocol";

/** `options-invalid` where a value is no positive number of milliseconds. */
export function requireDuration(value: number, field: string): void {
  if (Number.isFinite(value) && value > 0) return;
  throw new CmError("options-invalid", `${field} must be a positive number of milliseconds.`, { details: { field } });
}
