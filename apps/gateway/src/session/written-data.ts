import { CmError } from "@cm/protocol";

/**
 * `data` as it is sent on: the JSON of what came as JSON. That may be longer than what came, since
 * a number such as `1e20` is written out, so that the frame's own limit says nothing of it.
 * Throws `payload-unserializable` where it is nested too deeply, and `payload-too-large`.
 */
export function writeData(data: unknown, maxBytes: number): string {
  let text: string;
  try {
    text = JSON.stringify(data);
  } catch (cause) {
    throw new CmError("payload-unserializable", "data is nested too deeply.", { cause });
  }
  // A UTF-16 unit takes 3 bytes at most: short texts need no measuring.
  if (text.length * 3 <= maxBytes || Buffer.byteLength(text) <= maxBytes) return text;
  throw new CmError("payload-too-large", `data takes more than ${maxBytes} bytes where it is written out.`, {
    details: { maxBytes },
  });
}
