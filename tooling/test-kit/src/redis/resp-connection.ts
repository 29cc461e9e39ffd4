import { connect, type Socket } from "node:net";

/** A Redis reply in RESP2. */
export type RespReply = string | number | null | RespReply[];

interface Waiting {
  readonly resolve: (reply: RespReply) => void;
  readonly reject: (error: Error) => void;
}

/** A parsed reply and the offset at which it ends; `undefined` while it is incomplete. */
type Parsed = { readonly reply: RespReply | Error; readonly end: number } | undefined;

/**
 * A minimal connection to a Redis for setup and inspection. The test kit does not use the client library of the
 * code under test, so that tests can verify that library.
 */
export class RespConnection {
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  #received = Buffer.alloc(0);
  #unasked: ((reply: RespReply) => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes) => this.#take(bytes));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(closedError()));
  }

  /** Connects to a Redis. Rejects if nothing listens on the port. */
  static open(port: number, host = "127.0.0.1"): Promise<RespConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host, noDelay: true });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new RespConnection(socket));
      });
    });
  }

  /**
   * Sends one command and resolves with its reply. Rejects if the reply is an error or an array that contains one,
   * and if the connection is closed.
   */
  command(...args: readonly (string | number)[]): Promise<RespReply> {
    if (this.#socket.destroyed) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      const parts = args.map((arg) => `$${Buffer.byteLength(String(arg))}\r\n${arg}\r\n`);
      this.#socket.write(`*${args.length}\r\n${parts.join("")}`);
    });
  }

  /** Registers a listener for replies without a command, such as those after `MONITOR`. */
  onUnasked(listener: (reply: RespReply) => void): void {
    this.#unasked = listener;
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#received, bytes]);
    for (;;) {
      const parsed = parse(this.#received, 0);
      if (parsed === undefined) return;
      this.#received = this.#received.subarray(parsed.end);
      const waiting = this.#waiting.shift();
      if (parsed.reply instanceof Error) waiting?.reject(parsed.reply);
      else if (waiting === undefined) this.#unasked?.(parsed.reply);
      else waiting.resolve(parsed.reply);
    }
  }

  #fail(error: Error): void {
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
  }
}

function closedError(): Error {
  return new Error("The connection to Redis was closed.");
}

/** Maximum time that {@link askRedis} waits, because a paused process accepts connections and never responds. */
const ANSWER_MAX_MS = 5_000;

/** Sends one command over a separate connection. Rejects if there is no reply within five seconds. */
export async function askRedis(port: number, ...args: readonly (string | number)[]): Promise<RespReply> {
  const connection = await RespConnection.open(port);
  // After the time, close the connection, which rejects the command.
  const timer = setTimeout(() => connection.close(), ANSWER_MAX_MS);
  try {
    return await connection.command(...args);
  } finally {
    clearTimeout(timer);
    connection.close();
  }
}

function parse(bytes: Buffer, start: number): Parsed {
  const lineEnd = bytes.indexOf("\r\n", start);
  if (lineEnd === -1) return undefined;
  const line = bytes.toString("utf8", start + 1, lineEnd);
  const next = lineEnd + 2;
  switch (String.fromCharCode(bytes[start] ?? 0)) {
    case "+":
      return { reply: line, end: next };
    case "-":
      return { reply: new Error(line), end: next };
    case ":":
      return { reply: Number(line), end: next };
    case "$":
      return parseBulk(bytes, Number(line), next);
    case "*":
      return parseArray(bytes, Number(line), next);
    default:
      return { reply: new Error("Redis sent something that is not RESP2."), end: bytes.length };
  }
}

function parseBulk(bytes: Buffer, length: number, start: number): Parsed {
  if (length < 0) return { reply: null, end: start };
  const end = start + length + 2;
  return bytes.length < end ? undefined : { reply: bytes.toString("utf8", start, start + length), end };
}

function parseArray(bytes: Buffer, length: number, start: number): Parsed {
  if (length < 0) return { reply: null, end: start };
  const items: RespReply[] = [];
  let failure: Error | undefined;
  let end = start;
  for (let i = 0; i < length; i++) {
    const item = parse(bytes, end);
    if (item === undefined) return undefined;
    end = item.end;
    if (item.reply instanceof Error) failure ??= item.reply;
    else items.push(item.reply);
  }
  return { reply: failure ?? items, end };
}
