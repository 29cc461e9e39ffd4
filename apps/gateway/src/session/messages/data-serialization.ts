import { CmError } from "@cm/protocol";

/**
 * Serializes `data` for forwarding. The result may be longer than the JSON that was received, because numbers such
 * as `1e20` are written out; the limit on the received frame therefore does not limit the result. Throws
 * `payload-unserializable` if `data` is nested too deeply, and `payload-too-large` if the result is larger than
 * `maxBytes`.
 */
export function writeData(data: unknown, maxBytes: number): string {
  let text: string;
  try {
    text = JSON.stringify(data);
  } catch (cause) {
    throw new CmError("payload-unserializable", "data is nested too deeply.", { cause });
  }
  // A UTF-16 unit takes at most 3 bytes in UTF-8, so short texts need not be measured.
  if (text.length * 3 <= maxBytes || Buffer.byteLength(text) <= maxBytes) return text;
  throw new CmError("payload-too-large", `data takes more than ${maxBytes} bytes as JSON.`, {
    details: { maxBytes },
  });
}
