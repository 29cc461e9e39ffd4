import { CmError, isCmError } from "@cm/protocol";

/** Calls a part's factory; a refused option is told under the name that it has here. */
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
