/** Frame types of RFC 6455, section 5.2. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/**
 * Encodes one unfragmented client frame, masked as RFC 6455 requires of clients.
 *
 * @param payload text is written as UTF-8
 */
export function encodeClientFrame(opcode: number, payload: string | Uint8Array): Buffer {
  const length = typeof payload === "string" ? Buffer.byteLength(payload) : payload.byteLength;
  const lengthBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const bodyAt = 2 + lengthBytes + 4;
  const frame = Buffer.allocUnsafe(bodyAt + length);
  frame[0] = 0x80 | opcode;
  if (lengthBytes === 0) frame[1] = 0x80 | length;
  else if (lengthBytes === 2) {
    frame[1] = 0x80 | 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 0x80 | 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  const mask = (Math.random() * 2 ** 32) >>> 0;
  frame.writeUInt32BE(mask, bodyAt - 4);
  if (typeof payload === "string") frame.write(payload, bodyAt);
  else frame.set(payload, bodyAt);
  for (let index = 0; index < length; index++) {
    const at = bodyAt + index;
    frame[at] = (frame[at] ?? 0) ^ (mask >>> (24 - 8 * (index & 3)));
  }
  return frame;
}
