/*
 * A client of the gateway: it joins its rooms, publishes, reconnects when its connection ends, and requests the
 * messages that it missed in recoverable rooms. It relies only on docs/protocol.md.
 */
import { CLIENT_PROTOCOL_VERSION, mayReconnect, SUBPROTOCOL } from "@cm/protocol";
import WebSocket from "ws";

/**
 * After a connection has lasted this long, in milliseconds, the client waits before it reconnects as after a first
 * failure.
 */
const LASTING_MS = 10_000;

/** Statuses of a refused upgrade after which another attempt may succeed. */
const mayRetry = (status: number) => status === 429 || status >= 500;

export interface RoomClientOptions {
  readonly url: string;
  readonly rooms: readonly string[];
  readonly onMessage: (room: string, data: unknown) => void;
  /** Called if messages of a room are lost for good; `missed` is `undefined` if their number is not known. */
  readonly onGap?: (room: string, missed: number | undefined) => void;
  /** Called once if the client gives up, with the close code or with the status of a refused upgrade. */
  readonly onEnd?: (code: number) => void;
}

/** The fields of server frames that this client reads. */
interface Frame {
  readonly type: string;
  readonly ref?: unknown;
  readonly room?: string;
  readonly data?: unknown;
  readonly epoch?: number;
  readonly offset?: number;
  readonly missed?: number;
  readonly recovered?: boolean;
  readonly code?: string;
  readonly message?: string;
  readonly retryable?: boolean;
}

/** The server refused a request. */
class Refusal extends Error {
  readonly retryable: boolean;

  constructor({ code, message, retryable = false }: Frame) {
    super(`${code}: ${message}`);
    this.retryable = retryable;
  }
}

interface Waiting {
  readonly resolve: (answer: Frame) => void;
  readonly reject: (error: Error) => void;
}

export class RoomClient {
  readonly #options: RoomClientOptions;
  readonly #waiting = new Map<number, Waiting>();
  /** The latest known position in each recoverable room. */
  readonly #positions = new Map<string, { readonly epoch: number; readonly offset: number }>();
  #socket: WebSocket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lastRef = 0;
  #failures = 0;
  #isClosed = false;

  constructor(options: RoomClientOptions) {
    this.#options = options;
    this.#connect();
  }

  /** Publishes to a room. Resolves when the server has confirmed it, rejects if it refuses or the connection ends. */
  async publish(room: string, data: unknown): Promise<void> {
    await this.#request({ type: "publish", room, data });
  }

  /** Closes the connection and does not reconnect. Resolves when the connection is closed. */
  close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    const socket = this.#socket;
    if (socket === undefined || socket.readyState === WebSocket.CLOSED) return Promise.resolve();
    return new Promise((resolve) => {
      socket.once("close", () => resolve());
      socket.close(1000);
    });
  }

  #connect(): void {
    const socket = new WebSocket(this.#options.url, SUBPROTOCOL);
    this.#socket = socket;
    let lasting: NodeJS.Timeout | undefined;
    let status: number | undefined;
    let isRefusedForNow = false;
    socket.on("unexpected-response", (_request, response) => {
      status = response.statusCode ?? 500;
      response.resume();
      socket.terminate();
    });
    // A connection that can't be made also emits `close`, with 1006.
    socket.on("error", () => undefined);
    socket.on("open", () => {
      void this.#begin().then(
        () => {
          lasting = setTimeout(() => {
            this.#failures = 0;
          }, LASTING_MS);
        },
        (error: unknown) => {
          // A retryable error, such as `unavailable`, means that a later attempt may succeed.
          isRefusedForNow = error instanceof Refusal && error.retryable;
          socket.close(1000);
        },
      );
    });
    socket.on("message", (bytes) => this.#take(JSON.parse(String(bytes)) as Frame));
    socket.on("close", (code) => {
      clearTimeout(lasting);
      for (const { reject } of this.#waiting.values()) reject(new Error("The connection ended before the answer."));
      this.#waiting.clear();
      if (this.#isClosed) return;
      if (isRefusedForNow || (status === undefined ? mayReconnect(code) : mayRetry(status))) this.#comeBack();
      else this.#options.onEnd?.(status ?? code);
    });
  }

  /** Sends the hello and joins the rooms; in recoverable rooms it resumes from the latest known position. */
  async #begin(): Promise<void> {
    const requests = [this.#request({ type: "hello", version: CLIENT_PROTOCOL_VERSION })];
    for (const room of this.#options.rooms) {
      const since = this.#positions.get(room);
      const join = { type: "join", room, ...(since === undefined ? {} : { since }) };
      requests.push(this.#request(join, (answer) => this.#joined(room, answer)));
    }
    await Promise.all(requests);
  }

  #joined(room: string, { epoch, offset, recovered }: Frame): void {
    // If the missed messages follow, the answer has the position of the last of them, which has not arrived yet.
    if (recovered !== true && epoch !== undefined && offset !== undefined) this.#positions.set(room, { epoch, offset });
  }

  /**
   * Sends a request. `onAnswer` is called synchronously, before messages that came together with the answer are
   * handled.
   */
  #request(frame: object, onAnswer?: (answer: Frame) => void): Promise<Frame> {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) return Promise.reject(new Error("There is no connection."));
    return new Promise((resolve, reject) => {
      const ref = ++this.#lastRef;
      const take = (answer: Frame): void => {
        onAnswer?.(answer);
        resolve(answer);
      };
      this.#waiting.set(ref, { resolve: take, reject });
      socket.send(JSON.stringify({ ...frame, ref }));
    });
  }

  #take(frame: Frame): void {
    const { type, ref, room, data, epoch, offset } = frame;
    if (type === "message" && room !== undefined) {
      if (epoch !== undefined && offset !== undefined) this.#positions.set(room, { epoch, offset });
      this.#options.onMessage(room, data);
    } else if (type === "gap" && room !== undefined) {
      this.#options.onGap?.(room, frame.missed);
    }
    if (typeof ref !== "number") return;
    const waiting = this.#waiting.get(ref);
    this.#waiting.delete(ref);
    if (type === "error") waiting?.reject(new Refusal(frame));
    else waiting?.resolve(frame);
  }

  #comeBack(): void {
    const base = Math.min(30_000, 500 * 2 ** this.#failures++);
    this.#timer = setTimeout(() => this.#connect(), base / 2 + (Math.random() * base) / 2);
  }
}
