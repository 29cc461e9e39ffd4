import { CmError, isCmError } from "../errors.js";

/**
 * Calls the factory of a part for a factory that has other names for some of the part's options. If the part
 * rejects one of them, the error names the option that the caller wrote: `names` maps the names of the part to
 * those of the caller. A message that does not begin with the option's name, such as one about a Redis URL, stays
 * unchanged.
 */
export function renaming<T>(names: Readonly<Record<string, string>>, make: () => T): T {
  try {
    return make();
  } catch (error) {
    const field = isCmError(error) && error.code === "options-invalid" ? error.details?.field : undefined;
    const name = typeof field === "string" && Object.hasOwn(names, field) ? names[field] : undefined;
    if (name === undefined || !isCmError(error)) throw error;
    const { message, details, cause } = error;
    const renamed = message.startsWith(`${field} `) ? name + message.slice(String(field).length) : message;
    throw new CmError("options-invalid", renamed, { details: { ...details, field: name }, cause });
  }
}
