import { createHash, randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { FrameReader, type FrameSink } from "./frame-reader.js";
import { encodeClientFrame, OPCODE } from "./frame-writer.js";

/** Server address and handshake options of a {@link RawSocket}. */
export interface RawSocketOptions {
  readonly url: URL;
  /** Path and query of the request. */
  readonly path: string;
  readonly subprotocol: string | undefined;
  /** Additional headers of the request. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** Receives the events of a {@link RawSocket}. `onClosed` is called exactly once, last. */
export interface RawSocketEvents {
  onOpen(): void;
  /** Called with a complete message in `bytes[start, end)`; the bytes are only valid during the call. */
  onMessage(bytes: Buffer, start: number, end: number): void;
  /**
   * @param code the server's close code; 1000 after {@link RawSocket.close}; 1006 if the connection ended without
   * one; `stream-broken` if the stream could not be parsed. If the handshake failed, `http-<status>`, the system's
   * error code, or `handshake-cut`.
   */
  onClosed(code: string): void;
}

/** The constant that RFC 6455, section 1.3, appends to the key. */
const ACCEPT_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** Maximum size of the response head. */
const HEAD_MAX_BYTES = 16 * 1024;

/** Maximum size of the socket's write queue; beyond it, publishing on the socket pauses. */
const WRITE_QUEUE_MAX_BYTES = 256 * 1024;

/**
 * The buffer that all sockets read into, so that no memory is allocated for received bytes. Sharing it is safe:
 * Node.js fills it and calls back before it reads from another socket.
 */
const READ_BUFFER = Buffer.allocUnsafeSlow(256 * 1024);

/**
 * A minimal WebSocket client for a load driver: no compression, no event objects, no copies of messages. It
 * uses so little processor time that the driver does not dominate the measurement.
 */
export class RawSocket implements FrameSink {
  readonly #socket: Socket;
  readonly #events: RawSocketEvents;
  readonly #reader: FrameReader;
  readonly #accept: string;
  #head = "";
  #open = false;
  #closeCode: string | undefined;
  #ended = false;
  #reads = true;

  constructor(options: RawSocketOptions, events: RawSocketEvents) {
    this.#events = events;
    this.#reader = new FrameReader(this);
    const key = randomBytes(16).toString("base64");
    this.#accept = createHash("sha1")
      .update(key + ACCEPT_SUFFIX)
      .digest("base64");
    const { url } = options;
    this.#socket = connect({
      host: url.hostname.replace(/^\[|\]$/g, ""),
      port: Number(url.port === "" ? 80 : url.port),
      noDelay: true,
      onread: {
        buffer: READ_BUFFER,
        callback: (length) => {
          this.#onBytes(READ_BUFFER, length);
          return this.#reads;
        },
      },
    });
    this.#socket.on("connect", () => this.#socket.write(requestHead(options, key)));
    this.#socket.on("error", (error: NodeJS.ErrnoException) => {
      this.#closeCode ??= this.#open ? "1006" : (error.code ?? "connect-failed");
    });
    this.#socket.on("close", () => this.#onSocketClosed());
  }

  /** Whether a message may be written: the socket is open, and its write queue is below the limit. */
  get writable(): boolean {
    return this.#open && !this.#ended && this.#socket.writableLength < WRITE_QUEUE_MAX_BYTES;
  }

  send(text: string): void {
    if (this.#open && !this.#ended) this.#socket.write(encodeClientFrame(OPCODE.text, text));
  }

  /** Sends a ping with at most 125 bytes. */
  ping(text: string): void {
    if (this.#open && !this.#ended) this.#socket.write(encodeClientFrame(OPCODE.ping, text));
  }

  /** Sends a close frame and ends the connection. Idempotent. */
  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#closeCode ??= "1000";
    if (this.#open) this.#socket.end(encodeClientFrame(OPCODE.close, Uint8Array.of(0x03, 0xe8)));
    else this.#socket.destroy();
  }

  /** Stops reading, so that further data stays in the server's queue. */
  pause(): void {
    // A socket that reads into a given buffer is only stopped by the callback's return value.
    this.#reads = false;
    this.#socket.pause();
  }

  /** Ends the connection at once. */
  destroy(): void {
    this.#socket.destroy();
  }

  onMessage(bytes: Buffer, start: number, end: number): void {
    this.#events.onMessage(bytes, start, end);
  }

  onPing(payload: Buffer): void {
    if (!this.#ended) this.#socket.write(encodeClientFrame(OPCODE.pong, payload));
  }

  onClose(code: number): void {
    this.#closeCode ??= String(code);
    if (!this.#ended) this.#socket.end(encodeClientFrame(OPCODE.close, new Uint8Array(0)));
    this.#ended = true;
  }

  onBroken(): void {
    this.#closeCode ??= "stream-broken";
    this.#socket.destroy();
  }

  #onBytes(chunk: Buffer, length: number): void {
    if (this.#open) this.#reader.push(chunk, length);
    else this.#readHead(chunk, length);
  }

  #readHead(chunk: Buffer, length: number): void {
    // Latin-1 has one character per byte, so an index in the text is also an index in the bytes.
    this.#head += chunk.toString("latin1", 0, length);
    const headEnd = this.#head.indexOf("\r\n\r\n");
    if (headEnd < 0) {
      if (this.#head.length > HEAD_MAX_BYTES) this.onBroken();
      return;
    }
    const head = this.#head.slice(0, headEnd);
    const rest = Buffer.from(this.#head.slice(headEnd + 4), "latin1");
    this.#head = "";
    const status = /^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? "unreadable";
    const accept = /^sec-websocket-accept:\s*(\S+)/im.exec(head)?.[1];
    if (status !== "101" || accept !== this.#accept) {
      this.#closeCode ??= `http-${status}`;
      this.#socket.destroy();
      return;
    }
    this.#open = true;
    this.#events.onOpen();
    this.#reader.push(rest, rest.length);
  }

  #onSocketClosed(): void {
    this.#ended = true;
    this.#events.onClosed(this.#closeCode ?? (this.#open ? "1006" : "handshake-cut"));
  }
}

function requestHead({ url, path, subprotocol, headers = {} }: RawSocketOptions, key: string): string {
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: ${url.host}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${key}`,
  ];
  if (subprotocol !== undefined) lines.push(`Sec-WebSocket-Protocol: ${subprotocol}`);
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}
