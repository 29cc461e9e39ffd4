import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { CmError, type ErrorCode, type Link, type LinkState, type LinkStatus } from "@cm/protocol";
import { onLine, type Reply, send } from "../wire.js";

/** Time within which the hub must answer a call, in milliseconds. */
const DEADLINE_MS = 5_000;

/** Maximum number of calls that wait for an answer. */
const WAITING_MAX = 10_000;

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: CmError) => void;
  readonly deadline: NodeJS.Timeout;
}

/**
 * The connection to the hub. It is not opened again after it was lost, because a hub that restarts is empty: from
 * then on the link is `down`, and every call fails with `unavailable`.
 */
export class HubLink implements Link {
  readonly #port: number;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Set<{ readonly call: (state: LinkState) => void }>();
  readonly #onMessage: (subscription: number, bytes: Uint8Array) => void;
  #socket: Socket | undefined;
  #state: LinkState = "connecting";
  #since = Date.now();
  #heardAt: number | undefined;
  #lastId = 0;
  #timedOut = 0;
  #refused = 0;

  constructor(port: number, onMessage: (subscription: number, bytes: Uint8Array) => void) {
    this.#port = port;
    this.#onMessage = onMessage;
  }

  get state(): LinkState {
    return this.#state;
  }

  status(): LinkStatus {
    return {
      state: this.#state,
      since: this.#since,
      // Messages and answers come over one connection: an answer proves that messages come through.
      lastProbeMs: this.#heardAt === undefined ? undefined : performance.now() - this.#heardAt,
      reconnects: 0,
      resubscriptions: 0,
      replacedSubscribers: 0,
      timedOutCommands: this.#timedOut,
      refusedCommands: this.#refused,
    };
  }

  onState(listener: (state: LinkState) => void): () => void {
    const entry = { call: listener };
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  /**
   * Connects. The link is in sync once the hub has answered a first call. Rejects with `unavailable` if the hub
   * can't be reached, and with `closed` after an earlier start or close.
   */
  async open(): Promise<void> {
    if (this.#state !== "connecting") throw new CmError("closed", "The store was started or closed before.");
    const socket = connect({ port: this.#port, host: "127.0.0.1" });
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("error", () => undefined);
    socket.on("close", () => this.#lost());
    try {
      await once(socket, "connect");
    } catch (cause) {
      throw new CmError("unavailable", "The hub can't be reached.", { cause });
    }
    onLine<Reply>(socket, (reply) => this.#take(reply));
    await this.#ask("counts", "of", ["rooms"]);
    this.#become("in-sync");
  }

  close(): void {
    this.#become("closed");
    this.#socket?.destroy();
    this.#failAll(new CmError("closed", "The store was closed."));
  }

  /** Makes a call in the hub. Rejects with the hub's error, or with `closed`, `unavailable` or `timeout`. */
  async call(part: string, name: string, args: readonly unknown[]): Promise<unknown> {
    if (this.#state === "connecting" || this.#state === "closed") {
      throw new CmError("closed", "The store was closed, or was never started.");
    }
    return this.#ask(part, name, args);
  }

  #ask(part: string, name: string, args: readonly unknown[]): Promise<unknown> {
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed || this.#waiting.size >= WAITING_MAX) {
      this.#refused += 1;
      return Promise.reject(new CmError("unavailable", "The hub is gone, or too many calls wait for it."));
    }
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      const deadline = setTimeout(() => {
        this.#waiting.delete(id);
        this.#timedOut += 1;
        reject(new CmError("timeout", `The hub did not answer within ${DEADLINE_MS} ms.`));
      }, DEADLINE_MS);
      this.#waiting.set(id, { resolve, reject, deadline });
      send(socket, [id, part, name, args]);
    });
  }

  #take(reply: Reply): void {
    this.#heardAt = performance.now();
    if (reply[0] === "message") {
      if (this.#state !== "closed") this.#onMessage(reply[1], Buffer.from(reply[2], "base64"));
      return;
    }
    const waiting = this.#waiting.get(reply[1]);
    if (waiting === undefined) return;
    this.#waiting.delete(reply[1]);
    clearTimeout(waiting.deadline);
    if (reply[0] === "value") {
      // JSON has no undefined: a call without a value is answered with null.
      waiting.resolve(reply[2] ?? undefined);
      return;
    }
    const { code, message, details } = reply[2];
    // The cast is safe: the hub sends codes of `@cm/protocol`.
    waiting.reject(new CmError(code as ErrorCode, message, details === undefined ? {} : { details }));
  }

  #lost(): void {
    if (this.#state === "closed") return;
    this.#become("down");
    this.#failAll(new CmError("unavailable", "The hub is gone."));
  }

  #failAll(error: CmError): void {
    for (const { reject, deadline } of this.#waiting.values()) {
      clearTimeout(deadline);
      reject(error);
    }
    this.#waiting.clear();
  }

  #become(state: LinkState): void {
    if (state === this.#state || this.#state === "closed") return;
    this.#state = state;
    this.#since = Date.now();
    for (const entry of [...this.#listeners]) {
      if (!this.#listeners.has(entry)) continue;
      try {
        entry.call(state);
      } catch (cause) {
        // One listener that throws must not keep the others, or the call that changed the state, from going on.
        console.error("A listener of the link threw an error:", cause);
      }
    }
  }
}
