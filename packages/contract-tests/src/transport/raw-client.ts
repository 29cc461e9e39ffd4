import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** Options of a raw client's handshake. */
export interface RawClientOptions {
  /** The path of the request, with its query. */
  readonly path?: string;
  /** The subprotocol that is offered; null offers none. */
  readonly subprotocol?: string | null;
  /** Headers that are added or replaced; null leaves a header out. */
  readonly headers?: Readonly<Record<string, string | null>>;
  /** Bytes before the request, in the same write. Default: none. */
  readonly preamble?: Buffer;
  /** HTTP version of the request line. Default 1.1. */
  readonly httpVersion?: "1.0" | "1.1";
}

/** One WebSocket frame as received. */
export interface RawFrame {
  /** The opcode of RFC 6455; see {@link OPCODE}. */
  readonly opcode: number;
  /** The bytes after the header. */
  readonly payload: Buffer;
}

/** The head of the response to an upgrade request. */
export interface HandshakeAnswer {
  /** The HTTP status. */
  readonly status: number;
  /** Status line and headers, as received. */
  readonly head: string;
}

/** Opcodes of RFC 6455. */
export const OPCODE = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/**
 * A WebSocket client that responds to nothing by itself, neither to pings nor to close frames. It reads unless its
 * `socket` is paused.
 */
export class RawClient {
  /** The TCP connection. */
  readonly socket: Socket;
  /** Frames received, in order. */
  readonly frames: RawFrame[] = [];
  /** Whether the TCP connection has ended. */
  ended = false;
  readonly #waiting: Buffer[] = [];
  #answer: HandshakeAnswer | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk) => this.#take(chunk));
    socket.on("close", () => {
      this.ended = true;
    });
    // A connection that was cut may end with ECONNRESET; `ended` reports the end.
    socket.on("error", () => undefined);
  }

  /** Connects and writes the upgrade request, without waiting for the response. */
  static async dial(port: number, options: RawClientOptions = {}): Promise<RawClient> {
    const socket = connect({ port, host: "127.0.0.1" });
    await once(socket, "connect");
    socket.setNoDelay(true);
    const client = new RawClient(socket);
    const { path = "/ws", subprotocol = "test.v1", headers = {}, httpVersion = "1.1", preamble } = options;
    const lines = Object.entries({
      Host: "127.0.0.1",
      Upgrade: "websocket",
      Connection: "Upgrade",
      "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
      "Sec-WebSocket-Version": "13",
      ...(subprotocol === null ? {} : { "Sec-WebSocket-Protocol": subprotocol }),
      ...headers,
    }).map(([name, value]) => (value === null ? "" : `${name}: ${value}\r\n`));
    const request = Buffer.from(`GET ${path} HTTP/${httpVersion}\r\n${lines.join("")}\r\n`);
    socket.write(preamble === undefined ? request : Buffer.concat([preamble, request]));
    return client;
  }

  /** The server's response to the upgrade request, once it has arrived. */
  get answer(): HandshakeAnswer | undefined {
    return this.#answer;
  }

  /** The text frames received so far. */
  get texts(): string[] {
    return this.frames.filter((frame) => frame.opcode === OPCODE.text).map((frame) => frame.payload.toString());
  }

  /** The code of the close frame, if one was received. */
  get closeCode(): number | undefined {
    return this.frames.find((frame) => frame.opcode === OPCODE.close)?.payload.readUInt16BE(0);
  }

  /** Received bytes that are not a complete frame: after a rejected upgrade, the body. */
  get leftoverText(): string {
    return Buffer.concat(this.#waiting).toString();
  }

  /** Writes a frame, masked as the protocol requires of a client. */
  send(opcode: number, payload: Buffer): void {
    this.socket.write(maskedFrame(opcode, payload));
  }

  /** Ends the TCP connection at once. */
  destroy(): void {
    this.socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#waiting.push(chunk);
    if (this.#answer === undefined) {
      const all = Buffer.concat(this.#waiting);
      const end = all.indexOf("\r\n\r\n");
      if (end < 0) return;
      const head = all.toString("latin1", 0, end);
      this.#answer = { status: Number(head.slice(9, 12)), head };
      this.#waiting.splice(0, this.#waiting.length, all.subarray(end + 4));
    }
    if (this.#answer.status === 101) this.#parse();
  }

  #parse(): void {
    let all = Buffer.concat(this.#waiting);
    for (;;) {
      if (all.length < 2) break;
      const short = all.readUInt8(1) & 0x7f;
      const header = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (all.length < header) break;
      const length = short === 126 ? all.readUInt16BE(2) : short === 127 ? Number(all.readBigUInt64BE(2)) : short;
      if (all.length < header + length) break;
      this.frames.push({ opcode: all.readUInt8(0) & 0x0f, payload: all.subarray(header, header + length) });
      all = all.subarray(header + length);
    }
    this.#waiting.splice(0, this.#waiting.length, all);
  }
}

/**
 * Encodes an unfragmented client frame. The mask is all zero: the protocol requires a mask, and this one changes no
 * bytes.
 */
export function maskedFrame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const header = Buffer.alloc(length < 126 ? 6 : length < 65_536 ? 8 : 14);
  header.writeUInt8(0x80 | opcode, 0);
  if (length < 126) header.writeUInt8(0x80 | length, 1);
  else if (length < 65_536) {
    header.writeUInt8(0x80 | 126, 1);
    header.writeUInt16BE(length, 2);
  } else {
    header.writeUInt8(0x80 | 127, 1);
    header.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([header, payload]);
}
