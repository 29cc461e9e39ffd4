import { CmError, encodeUtf8 } from "@cm/protocol";
import { jsonText } from "../json-serialization.js";

/**
 * Encodes a message as sockets receive it: JSON in UTF-8. The sending server encodes it once; every
 * server passes on the same bytes. Throws `payload-unserializable` or `payload-too-large`.
 */
export function messageFrame(message: unknown, maxBytes: number): Uint8Array {
  const frame = encodeUtf8(jsonText(message));
  if (frame.byteLength <= maxBytes) return frame;
  throw new CmError("payload-too-large", `The message is larger than ${maxBytes} bytes.`, { details: { maxBytes } });
}
