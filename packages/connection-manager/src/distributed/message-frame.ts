import { CmError, encodeUtf8 } from "@cm/protocol";
import { jsonText } from "../json-text.js";

/**
 * A message as sockets get it: JSON as UTF-8. Written once, where it enters; every server
 * hands on the same bytes. Throws `payload-unserializable` or `payload-too-large`.
 */
export function messageFrame(message: unknown, maxBytes: number): Uint8Array {
  const frame = encodeUtf8(jsonText(message));
  if (frame.byteLength <= maxBytes) return frame;
  throw new CmError("payload-too-large", `The message is larger than ${maxBytes} bytes.`, { details: { maxBytes } });
}
