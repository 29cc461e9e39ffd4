/** RFC 6455: first byte of an unfragmented text message. A server does not mask its frames. */
const FINAL_TEXT = 0x81;

/** Maximum payload size whose length fits into the second byte. */
const SHORT_MAX_BYTES = 125;

/** Maximum payload size whose length fits into the two following bytes. */
const MEDIUM_MAX_BYTES = 0xffff;

/**
 * Encodes a text frame as it is sent over the wire, once for all receivers. The payload must be UTF-8. It is
 * copied, so the caller may change it afterwards.
 */
export function textFrame(payload: string | Uint8Array): Buffer {
  const length = typeof payload === "string" ? Buffer.byteLength(payload) : payload.byteLength;
  const headBytes = length <= SHORT_MAX_BYTES ? 2 : length <= MEDIUM_MAX_BYTES ? 4 : 10;
  const frame = Buffer.allocUnsafe(headBytes + length);
  frame[0] = FINAL_TEXT;
  if (headBytes === 2) {
    frame[1] = length;
  } else if (headBytes === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  if (typeof payload === "string") frame.write(payload, headBytes);
  else frame.set(payload, headBytes);
  return frame;
}
