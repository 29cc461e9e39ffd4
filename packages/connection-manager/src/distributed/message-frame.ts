import { CmError, encodeUtf8 } from "@cm/protocol";

/**
 * A message as sockets get it: JSON as UTF-8. Written once, where it enters; every server
 * hands on the same bytes. Throws `payload-unserializable` or `payload-too-large`.
 */
export function messageFrame(message: unknown, maxBytes: number): Uint8Array {
  let text: string | undefined;
  try {
    // Undefined for what JSON does not have, which the types of JSON.stringify leave out.
    text = JSON.stringify(message) as string | undefined;
  } catch (cause) {
    throw new CmError("payload-unserializable", "The message can't be written as JSON.", { cause });
  }
  if (text === undefined) throw new CmError("payload-unserializable", "The message can't be written as JSON.");
  const frame = encodeUtf8(text);
  if (frame.byteLength <= maxBytes) return frame;
  throw new CmError("payload-too-large", `The message is larger than ${maxBytes} bytes.`, { details: { maxBytes } });
}
