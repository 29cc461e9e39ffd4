import { CmError, utf8ByteLength } from "@cm/protocol";

/**
 * Returns a connection's metadata as JSON text, or `undefined` if there is none. Throws
 * `payload-unserializable` or `payload-too-large`.
 */
export function serializeMetadata(metadata: unknown, maxBytes: number): string | undefined {
  if (metadata === undefined) return undefined;
  const text = stringify(metadata);
  // `JSON.stringify` returns `undefined` for a function or a symbol.
  if (text === undefined) throw new CmError("payload-unserializable", "The metadata can't be written as JSON.");
  if (utf8ByteLength(text) <= maxBytes) return text;
  throw new CmError("payload-too-large", `The metadata is larger than ${maxBytes} bytes.`, { details: { maxBytes } });
}

/**
 * Calls `JSON.stringify`, whose result is `undefined` for a value without a JSON representation, contrary to its
 * type. Throws `payload-unserializable`.
 */
function stringify(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    throw new CmError("payload-unserializable", "The metadata can't be written as JSON.", { cause });
  }
}
