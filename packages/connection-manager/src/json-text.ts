import { CmError } from "@cm/protocol";

/**
 * A value as JSON. A function or a symbol, as the value itself or as one of its fields, fails with
 * `payload-unserializable`, where `JSON.stringify` would leave it out without a word; deeper
 * ones are left out, since looking for them would cost more than writing the rest.
 */
export function jsonText(value: unknown): string {
  let text: string | undefined;
  try {
    refuseUnwritable(value);
    if (isObject(value)) for (const field of Object.values(value)) refuseUnwritable(field);
    // Undefined for what JSON does not have, which the types of JSON.stringify leave out.
    text = JSON.stringify(value) as string | undefined;
  } catch (cause) {
    throw new CmError("payload-unserializable", "The message can't be written as JSON.", { cause });
  }
  if (text !== undefined) return text;
  throw new CmError("payload-unserializable", "The message can't be written as JSON.");
}

function refuseUnwritable(value: unknown): void {
  if (typeof value !== "symbol" && typeof value !== "function") return;
  // A toJSON decides for itself, on a function too.
  if (typeof value === "function" && "toJSON" in value) return;
  throw new TypeError(`JSON has no ${typeof value}.`);
}

function isObject(value: unknown): value is object {
  // With a toJSON of its own, what is written is not these fields.
  return typeof value === "object" && value !== null && !("toJSON" in value);
}
