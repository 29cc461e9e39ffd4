import { CmError, isCmError } from "@cm/protocol";

/**
 * Calls a part's factory. If the factory rejects an option, renames the option in the error to its name in
 * the node. A message that does not begin with the option's name, such as one about a Redis URL, stays
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
