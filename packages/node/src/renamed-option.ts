import { CmError, isCmError } from "@cm/protocol";

/**
 * Calls a part's factory. If the factory rejects an option, the error names the option as the node
 * calls it.
 */
export function renaming<T>(names: Readonly<Record<string, string>>, make: () => T): T {
  try {
    return make();
  } catch (error) {
    const field = isCmError(error) && error.code === "options-invalid" ? error.details?.field : undefined;
    const name = typeof field === "string" && Object.hasOwn(names, field) ? names[field] : undefined;
    if (name === undefined || !isCmError(error)) throw error;
    throw new CmError("options-invalid", `${name}: ${error.message}`, {
      details: { ...error.details, field: name },
      cause: error,
    });
  }
}
