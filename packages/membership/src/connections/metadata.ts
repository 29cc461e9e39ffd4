import { CmError, utf8ByteLength } from "@cm/protocol";

/**
 * What a connection says about itself, as JSON text; `undefined` for `undefined`, which
 * says nothing. Throws `payload-unserializable` or `payload-too-large`.
 */
export function serializeMetadata(metadata: unknown, maxBytes: number): string | undefined {
  if (metadata === undefined) return undefined;
  const text = stringify(metadata);
  // A function or a symbol has no JSON.
  if (text === undefined) throw new CmError("payload-unserializable", "The metadata can't be written as JSON.");
  if (utf8ByteLength(text) <= maxBytes) return text;
  throw new CmError("payload-too-large", `The metadata is larger than ${maxBytes} bytes.`, { details: { maxBytes } });
}

/** Unlike the type of `JSON.stringify` says, it answers `undefined` to what has no JSON. */
function stringify(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    throw new CmError("payload-unserializable", "The metadata can't be written as JSON.", { cause });
  }
}
