import { once } from "node:events";
import { ownerOf, type ServerFrame, SUBPROTOCOL } from "@cm/protocol";
import WebSocket from "ws";

type Frame = ServerFrame & { readonly ref?: string | number };
type Welcome = Extract<ServerFrame, { type: "welcome" }>;

/** A request without its reference. */
type Request = { readonly type: string } & Readonly<Record<string, unknown>>;

/** A plain client of the protocol for tests: sends requests, awaits their responses, and keeps all other frames. */
export class CmSocket {
  readonly welcome: Welcome;
  /**
   * Every received frame that is not a response, in order of arrival; empty if a listener was passed to `open`.
   */
  readonly received: Frame[] = [];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  readonly #socket: WebSocket;
  readonly #listener: ((frame: Frame) => void) | undefined;
  readonly #waiting = new Map<
    number,
    { readonly answer: (frame: Frame) => void; readonly fail: (error: Error) => void }
  >();
  #listeners: (() => void)[] = [];
  #nextRef = 1;

  private constructor(socket: WebSocket, welcome: Welcome, listener: ((frame: Frame) => void) | undefined) {
    this.#socket = socket;
    this.#listener = listener;
    this.welcome = welcome;
    this.closed = once(socket, "close").then(([code, reason]) => ({ code: Number(code), reason: String(reason) }));
    socket.on("message", (data) => this.#onFrame(JSON.parse(String(data)) as Frame)); // The server's own frames.
    socket.on("close", (code) => {
      for (const { fail } of this.#waiting.values()) fail(new Error(`The connection closed with ${code}.`));
      this.#waiting.clear();
      this.#wakeListeners();
    });
    // Ignore the error: `closed` also reports a connection that was cut.
    socket.on("error", () => undefined);
  }

  get id(): string {
    return this.welcome.connection;
  }

  /** The server that holds the connection, taken from the connection id. */
  get serverId(): string {
    return ownerOf(this.id) ?? "";
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** Connects and sends the hello. With a listener, frames that are not responses are passed to it and not kept. */
  static async open(wsUrl: string, user: string, listener?: (frame: Frame) => void): Promise<CmSocket> {
    return CmSocket.#greet(await openSocket(wsUrl, user), listener);
  }

  /** Like {@link open}, for a gateway that authenticates with tokens. */
  static async openWithToken(wsUrl: string, token: string): Promise<CmSocket> {
    return CmSocket.#greet(await openedBy(wsUrl, { Authorization: `Bearer ${token}` }), undefined);
  }

  static async #greet(socket: WebSocket, listener: ((frame: Frame) => void) | undefined): Promise<CmSocket> {
    socket.send(JSON.stringify({ type: "hello", version: 1 }));
    const closed = once(socket, "close").then(([code]): never => {
      throw new Error(`The connection closed with ${String(code)} before its welcome.`);
    });
    // Prevent an unhandled rejection if the connection closes after the race below.
    closed.catch(() => undefined);
    const [data] = await Promise.race([once(socket, "message"), closed]);
    const frame = JSON.parse(String(data)) as Frame; // The server's own frame.
    if (frame.type !== "welcome") throw new Error(`No welcome but ${String(data)}`);
    return new CmSocket(socket, frame, listener);
  }

  /** Sends a request with a reference and waits for its response, including an error. */
  ask(request: Request): Promise<Frame> {
    const ref = this.#nextRef++;
    return new Promise((answer, fail) => {
      this.#waiting.set(ref, { answer, fail });
      this.#socket.send(JSON.stringify({ ...request, ref }));
    });
  }

  /** Like {@link ask}, but throws if the response is an error. */
  async do(request: Request): Promise<Frame> {
    const answer = await this.ask(request);
    if (answer.type === "error") throw new Error(`${answer.code}: ${answer.message}`);
    return answer;
  }

  /** Sends a request without a reference. */
  tell(request: Request): void {
    this.#socket.send(JSON.stringify(request));
  }

  /** Sends the data unchanged. */
  raw(data: string | Uint8Array): void {
    this.#socket.send(data);
  }

  /** The `data` of all room messages so far. */
  messages(room?: string): unknown[] {
    return this.received.flatMap((frame) =>
      frame.type === "message" && (room === undefined || frame.room === room) ? [frame.data] : [],
    );
  }

  /** The `data` of all direct messages so far. */
  directs(): unknown[] {
    return this.received.flatMap((frame) => (frame.type === "direct" ? [frame.data] : []));
  }

  /** Waits until a frame that matches has been received, and returns it. Rejects if the connection closes before. */
  async until(fits: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const found = this.received.find(fits);
      if (found !== undefined) return found;
      if (this.#socket.readyState === WebSocket.CLOSED) {
        throw new Error("The connection closed before the expected frame arrived.");
      }
      await new Promise<void>((resolve) => this.#listeners.push(resolve));
    }
  }

  async close(): Promise<void> {
    this.#socket.close();
    await this.closed;
  }

  /** Cuts the connection without a close frame. */
  terminate(): void {
    this.#socket.terminate();
  }

  #onFrame(frame: Frame): void {
    const waiting = typeof frame.ref === "number" ? this.#waiting.get(frame.ref) : undefined;
    if (waiting !== undefined && typeof frame.ref === "number") {
      this.#waiting.delete(frame.ref);
      waiting.answer(frame);
      return;
    }
    if (this.#listener !== undefined) {
      this.#listener(frame);
      return;
    }
    this.received.push(frame);
    this.#wakeListeners();
  }

  #wakeListeners(): void {
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener();
  }
}

/** Opens a plain WebSocket with the protocol's subprotocol. The user is added to the URL's query, if it has one. */
export async function openSocket(wsUrl: string, user: string): Promise<WebSocket> {
  return openedBy(`${wsUrl}${wsUrl.includes("?") ? "&" : "?"}user=${encodeURIComponent(user)}`);
}

async function openedBy(wsUrl: string, headers: Readonly<Record<string, string>> = {}): Promise<WebSocket> {
  const socket = new WebSocket(wsUrl, SUBPROTOCOL, { perMessageDeflate: false, headers });
  await once(socket, "open");
  return socket;
}
