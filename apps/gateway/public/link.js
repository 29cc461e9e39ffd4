/** Connects to a gateway with the client protocol (docs/protocol.md). */

const NAME_MAX_BYTES = 255;
const ANSWER_TIMEOUT_MS = 10_000;
const RETRY_BASE_MS = 500;
const RETRY_MAX_MS = 30_000;
/** A connection that stays online for this long resets the number of failures. */
const STABLE_MS = 10_000;

/**
 * Returns the delay before retry `n`, counted from 0, in milliseconds. Half of it is random, so that clients do not
 * all reconnect at the same time.
 */
function retryDelay(n) {
  const base = Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** n);
  return base / 2 + (Math.random() * base) / 2;
}

function mayReconnect(code) {
  return (code >= 4200 && code <= 4399) || [1001, 1006, 1011, 1012, 1013].includes(code);
}

/** Describes why a text is not a valid name; `undefined` if it is valid. */
export function nameFault(name) {
  if (name === "") return "is empty";
  if (!name.isWellFormed()) return "is not well-formed text";
  if (new TextEncoder().encode(name).length > NAME_MAX_BYTES) return `is longer than ${NAME_MAX_BYTES} bytes`;
  return undefined;
}

/** Describes why a text can't be sent as a token in a subprotocol; `undefined` if it can, or if it is empty. */
export function tokenFault(token) {
  return /^[\w.-]*$/.test(token) ? undefined : "has characters that no token has";
}

/** An error with the code of the server's answer, or with a code of this file if the server did not answer. */
class RequestError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/**
 * A connection that reconnects by itself until it is closed by the page, or by the server with a code that forbids
 * reconnecting.
 */
export class Link {
  #user = "";
  #token = "";
  #socket;
  #failures = 0;
  #timers = new Set();
  #pending = new Map();
  #nextRef = 0;
  #onState;
  #onFrame;

  /**
   * `onState(state, detail)` is called with the states `connecting`, `online` (`detail` is the `welcome` frame),
   * `waiting` (with code, reason and `delayMs`), `refused` (with code and reason) and `offline`. `onFrame` receives
   * every frame that does not answer a request, and an `error` frame if `hello` fails.
   */
  constructor({ onState, onFrame }) {
    this.#onState = onState;
    this.#onFrame = onFrame;
  }

  /** Connects. `token` is empty if the gateway does not verify tokens. */
  open(user, token) {
    this.close();
    this.#user = user;
    this.#token = token;
    this.#failures = 0;
    this.#connect();
  }

  close() {
    this.#drop();
    this.#onState("offline");
  }

  /** Sends another token, which later reconnects use too. Resolves with the milliseconds until it expires. */
  async refresh(token) {
    const { expiresInMs } = await this.request({ type: "refresh", token });
    this.#token = token;
    return expiresInMs;
  }

  /** Resolves with the answer; rejects with a RequestError. */
  request(frame) {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) {
      return Promise.reject(new RequestError("not-connected", "There is no connection just now."));
    }
    return new Promise((resolve, reject) => {
      const ref = this.#nextRef++;
      this.#pending.set(ref, { resolve, reject });
      this.#after(ANSWER_TIMEOUT_MS, () => {
        if (this.#pending.has(ref)) this.#lost(1006, "no answer");
      });
      socket.send(JSON.stringify({ ...frame, ref }));
    });
  }

  #connect() {
    this.#onState("connecting");
    const url = new URL(`/ws?user=${encodeURIComponent(this.#user)}`, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url, this.#token === "" ? ["cm.v1"] : ["cm.v1", `cm.token.${this.#token}`]);
    this.#socket = socket;
    // Events of an abandoned socket are ignored.
    const own = (handle) => (event) => this.#socket === socket && handle(event);
    socket.onopen = own(() => this.#greet());
    socket.onmessage = own(({ data }) => this.#take(JSON.parse(data)));
    socket.onclose = own(({ code, reason }) => this.#lost(code, reason));
  }

  #greet() {
    this.request({ type: "hello", version: 1 }).then(
      (welcome) => {
        this.#after(STABLE_MS, () => {
          this.#failures = 0;
        });
        this.#onState("online", welcome);
      },
      // Only report the error: if the connection ends too, its close event is handled by `#lost`.
      (error) => this.#onFrame({ type: "error", code: error.code, message: error.message }),
    );
  }

  #take(frame) {
    const waiting = this.#pending.get(frame.ref);
    if (waiting === undefined) {
      this.#onFrame(frame);
      return;
    }
    this.#pending.delete(frame.ref);
    if (frame.type === "error") waiting.reject(new RequestError(frame.code, frame.message));
    else waiting.resolve(frame);
  }

  #lost(code, reason) {
    this.#drop();
    if (!mayReconnect(code)) {
      this.#onState("refused", { code, reason });
      return;
    }
    const delayMs = retryDelay(this.#failures++);
    this.#onState("waiting", { code, reason, delayMs });
    this.#after(delayMs, () => this.#connect());
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(new RequestError("connection-lost", "The connection ended first."));
  }

  #after(delayMs, run) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, delayMs);
    this.#timers.add(timer);
  }
}
