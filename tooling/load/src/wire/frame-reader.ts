import { OPCODE } from "./frame-writer.js";

/** Receives the frames that {@link FrameReader} finds. The bytes are only valid during the call. */
export interface FrameSink {
  /** Called with a complete text or binary message in `bytes[start, end)`. */
  onMessage(bytes: Buffer, start: number, end: number): void;
  onPing(payload: Buffer): void;
  /** @param code the close code; 1005 if the server sent none */
  onClose(code: number): void;
  /** Called if the stream cannot be parsed any further. */
  onBroken(reason: string): void;
}

/** Maximum size of a message, including all its fragments. */
const MESSAGE_MAX_BYTES = 4 * 1024 * 1024;

const NOTHING = Buffer.alloc(0);

/**
 * Splits the byte stream of a server into frames. Complete messages are passed on in place; only frames that are
 * split over chunks, and fragments of messages, are copied.
 */
export class FrameReader {
  readonly #sink: FrameSink;
  #carry = NOTHING;
  #fragments: Buffer[] = [];
  #fragmentBytes = 0;
  #ended = false;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Reads `chunk[0, length)`. The chunk may be reused after the call. */
  push(chunk: Buffer, length: number): void {
    if (this.#ended) return;
    let bytes = chunk;
    let end = length;
    if (this.#carry.length > 0) {
      bytes = Buffer.concat([this.#carry, chunk.subarray(0, length)]);
      end = bytes.length;
    }
    const used = this.#readFrames(bytes, end);
    this.#carry = used === end ? NOTHING : Buffer.from(bytes.subarray(used, end));
  }

  #readFrames(bytes: Buffer, end: number): number {
    let at = 0;
    while (!this.#ended && end - at >= 2) {
      const first = bytes[at] ?? 0;
      const second = bytes[at + 1] ?? 0;
      if ((second & 0x80) !== 0 || (first & 0x70) !== 0) return this.#break("a masked or reserved frame", end);
      let length = second;
      let bodyAt = at + 2;
      if (length === 126) {
        if (end - at < 4) break;
        length = bytes.readUInt16BE(bodyAt);
        bodyAt += 2;
      } else if (length === 127) {
        if (end - at < 10) break;
        length = Number(bytes.readBigUInt64BE(bodyAt));
        bodyAt += 8;
      }
      if (length > MESSAGE_MAX_BYTES) return this.#break("a frame beyond the limit", end);
      if (end - bodyAt < length) break;
      const next = bodyAt + length;
      if (first === 0x81 || first === 0x82) {
        if (this.#fragments.length > 0) return this.#break("a message inside of a fragmented one", end);
        this.#sink.onMessage(bytes, bodyAt, next);
      } else {
        this.#readOther(first, bytes.subarray(bodyAt, next));
      }
      at = next;
    }
    return this.#ended ? end : at;
  }

  #readOther(first: number, body: Buffer): void {
    const opcode = first & 0x0f;
    if (opcode === OPCODE.ping) this.#sink.onPing(body);
    else if (opcode === OPCODE.close) {
      this.#ended = true;
      this.#sink.onClose(body.length >= 2 ? body.readUInt16BE(0) : 1005);
    } else if (opcode === OPCODE.pong) {
      // Ignore pong frames: the driver sends no pings.
    } else if (opcode === OPCODE.continuation || opcode === OPCODE.text || opcode === OPCODE.binary) {
      this.#readFragment(opcode, (first & 0x80) !== 0, body);
    } else this.#break(`a frame of unknown type ${opcode}`, 0);
  }

  #readFragment(opcode: number, last: boolean, body: Buffer): void {
    const begun = this.#fragments.length > 0;
    this.#fragmentBytes += body.length;
    if (begun !== (opcode === OPCODE.continuation) || this.#fragmentBytes > MESSAGE_MAX_BYTES) {
      this.#break("a fragment out of place or beyond the limit", 0);
      return;
    }
    this.#fragments.push(Buffer.from(body));
    if (!last) return;
    const message = Buffer.concat(this.#fragments);
    this.#fragments = [];
    this.#fragmentBytes = 0;
    this.#sink.onMessage(message, 0, message.length);
  }

  #break(reason: string, used: number): number {
    this.#ended = true;
    this.#sink.onBroken(reason);
    return used;
  }
}
