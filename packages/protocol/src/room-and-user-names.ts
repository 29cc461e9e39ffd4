import { CmError, type Result } from "./errors.js";
import { utf8ByteLength } from "./utf8.js";

/** The maximum length of a room or user name, in bytes of UTF-8. */
export const NAME_MAX_BYTES = 255;

/** What a name identifies; used in error messages. */
export type NameKind = "room" | "user";

/**
 * Checks a room or user name. Every non-empty, well-formed string of at most {@link NAME_MAX_BYTES}
 * bytes is valid; separators and control characters have no special meaning.
 *
 * Codes: `name-invalid`, `name-too-long`.
 */
export function parseName(value: unknown, kind: NameKind): Result<string> {
  if (typeof value !== "string" || value.length === 0 || !value.isWellFormed()) {
    return {
      ok: false,
      error: new CmError("name-invalid", `The ${kind} name must be a non-empty, well-formed string.`),
    };
  }
  if (value.length > NAME_MAX_BYTES || utf8ByteLength(value) > NAME_MAX_BYTES) {
    return {
      ok: false,
      error: new CmError("name-too-long", `The ${kind} name is longer than ${NAME_MAX_BYTES} bytes.`, {
        details: { maxBytes: NAME_MAX_BYTES },
      }),
    };
  }
  return { ok: true, value };
}

/** Like {@link parseName}, but throws the error. */
export function requireName(value: unknown, kind: NameKind): string {
  const result = parseName(value, kind);
  if (!result.ok) throw result.error;
  return result.value;
}
