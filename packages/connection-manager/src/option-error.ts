import { CmError } from "@cm/protocol";

/** An option that can't be used. */
export function invalid(field: string, expected: string): CmError {
  return new CmError("options-invalid", `${field} must be ${expected}.`, { details: { field } });
}
