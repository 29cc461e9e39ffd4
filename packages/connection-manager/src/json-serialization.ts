import { CmError } from "@cm/protocol";

/**
 * Formats a value as JSON. Throws `payload-unserializable` if the value itself or one of its fields is
 * a function or a symbol, which `JSON.stringify` would omit silently. Functions and symbols at deeper
 * levels are omitted, because searching for them would cost more than formatting the rest.
 */
export function jsonText(value: unknown): string {
  let text: string | undefined;
  try {
    refuseUnwritable(value);
    if (isObject(value)) for (const field of Object.values(value)) refuseUnwritable(field);
    // `JSON.stringify` returns `undefined` for values that JSON does not have, but its declared return type
    // does not include `undefined`.
    text = JSON.stringify(value) as string | undefined;
  } catch (cause) {
    throw new CmError("payload-unserializable", "The message can't be written as JSON.", { cause });
  }
  if (text !== undefined) return text;
  throw new CmError("payload-unserializable", "The message can't be written as JSON.");
}

function refuseUnwritable(value: unknown): void {
  if (typeof value !== "symbol" && typeof value !== "function") return;
  // A function with a `toJSON` method has a JSON form.
  if (typeof value === "function" && "toJSON" in value) return;
  throw new TypeError(`JSON can't represent a ${typeof value}.`);
}

function isObject(value: unknown): value is object {
  // If the object has a `toJSON` method, `JSON.stringify` writes the result of that method instead of the
  // fields.
  return typeof value === "object" && value !== null && !("toJSON" in value);
}
