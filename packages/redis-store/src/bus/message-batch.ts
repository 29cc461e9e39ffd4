/*
 * Several messages of one channel in one message of Redis. Layout, big-endian:
 *
 *   0  u8   mark, 0xC4
 *   1  u8   version, 1
 *   2       for each message: its length as a u32, then its bytes
 */
const MARK = 0xc4;
const VERSION = 1;
const HEAD_BYTES = 2;
const LENGTH_BYTES = 4;

/** Maximum number of messages in a batch. Bounds the work that a message of an unknown publisher can cause. */
export const BATCH_MESSAGES_MAX = 256;

/**
 * Maximum total size of the messages in a batch, in bytes. From this size on, Redis spends its time on copying
 * the bytes, so a larger batch saves nothing. A larger message is sent alone.
 */
export const BATCH_BYTES_MAX = 64 * 1024;

/**
 * Whether a message begins like a batch. Such a message is sent inside a batch, so that receivers do not take the
 * message itself for a batch.
 */
export function beginsLikeBatch(message: Uint8Array): boolean {
  return message[0] === MARK;
}

/** Encodes messages as one batch. */
export function encodeBatch(messages: readonly Buffer[]): Buffer {
  let size = HEAD_BYTES;
  for (const message of messages) size += LENGTH_BYTES + message.length;
  const batch = Buffer.allocUnsafe(size);
  batch[0] = MARK;
  batch[1] = VERSION;
  let at = HEAD_BYTES;
  for (const message of messages) {
    at = batch.writeUInt32BE(message.length, at);
    batch.set(message, at);
    at += message.length;
  }
  return batch;
}

/**
 * Returns the messages of a batch, as views of its bytes; `undefined` if the bytes are not a valid batch. Never
 * throws.
 */
export function decodeBatch(bytes: Buffer): Buffer[] | undefined {
  if (bytes[0] !== MARK || bytes[1] !== VERSION) return undefined;
  const messages: Buffer[] = [];
  let at = HEAD_BYTES;
  while (at < bytes.length) {
    const from = at + LENGTH_BYTES;
    if (from > bytes.length || messages.length === BATCH_MESSAGES_MAX) return undefined;
    at = from + bytes.readUInt32BE(at);
    if (at > bytes.length) return undefined;
    messages.push(bytes.subarray(from, at));
  }
  return messages.length === 0 ? undefined : messages;
}
