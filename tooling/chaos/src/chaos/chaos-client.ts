import { setTimeout as sleep } from "node:timers/promises";
import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import type { CrowdMember } from "@cm/gateway-kit/clients/crowd-member";
import type { HistoryPosition, ServerFrame } from "@cm/protocol";
import type { ChaosLedger, ReceiptBook } from "./chaos-ledger.js";

/** Options of {@link ChaosClient}. */
export interface ChaosClientOptions {
  readonly user: string;
  readonly room: string;
  readonly ledger: ChaosLedger;
  /** Returns the gateway to try next, chosen as by a load balancer. */
  readonly nextGateway: () => { readonly index: number; readonly wsUrl: string };
}

/** Time within which a connection must open, and a join must be answered, in milliseconds. */
const ANSWER_TIMEOUT_MS = 10_000;

/**
 * A client that stays in its room, and reconnects whenever its connection is closed. In a recoverable room it
 * asks for missed messages.
 */
export class ChaosClient {
  readonly #options: ChaosClientOptions;
  readonly #running: Promise<void>;
  #member: CrowdMember | undefined;
  #book: ReceiptBook | undefined;
  /** The latest position in the room that the client knows; `undefined` if the room is not recoverable. */
  #position: HistoryPosition | undefined;
  #stopped = false;
  #reconnects = 0;

  constructor(options: ChaosClientOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** The client in the form that the invariants need; `undefined` while it is not in its room. */
  get member(): CrowdMember | undefined {
    return this.#member?.socket.isOpen ? this.#member : undefined;
  }

  get reconnects(): number {
    return this.#reconnects;
  }

  /**
   * Publishes once. Resolves with the type or error code of the response, with `unanswered` if there was none, or
   * with `not-connected` if the client is not in its room.
   */
  async publish(): Promise<string> {
    const { ledger, room, user } = this.#options;
    const socket = this.member?.socket;
    if (socket === undefined) return "not-connected";
    const n = ledger.publish(room);
    const answer = await socket.ask({ type: "publish", room, data: { n, by: user } }).catch(() => undefined);
    if (answer?.type === "ack") ledger.acknowledge(n);
    return answer === undefined ? "unanswered" : answer.type === "error" ? answer.code : answer.type;
  }

  /** Cuts the connection without a close frame. */
  vanish(): void {
    this.#member?.socket.terminate();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.vanish();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      await this.#live().catch(() => undefined);
      this.#member = undefined;
      this.#leave();
      this.#reconnects++;
      if (!this.#stopped) await sleep(200);
    }
  }

  /** Opens one connection, joins the room, and waits until the connection has ended. */
  async #live(): Promise<void> {
    const { user, room, nextGateway } = this.#options;
    const { index, wsUrl } = nextGateway();
    const socket = await within(CmSocket.open(wsUrl, user, (frame) => this.#onFrame(frame)));
    try {
      const since = this.#position;
      const answer = await within(socket.do({ type: "join", room, ...(since === undefined ? {} : { since }) }));
      this.#enter(socket.id, answer);
      this.#member = { socket, user, gateway: index, room };
      await socket.closed;
    } finally {
      socket.terminate();
    }
  }

  /**
   * Called when the client has joined its room. Continues the client's book if no message is missing between the
   * two connections, otherwise opens a new one.
   */
  #enter(connection: string, answer: ServerFrame): void {
    const { user, room, ledger } = this.#options;
    const { epoch, offset, recovered } = answer.type === "ack" ? answer : {};
    if (recovered === true && this.#book !== undefined) {
      ledger.resume(this.#book);
      return;
    }
    if (this.#book !== undefined) ledger.close(this.#book);
    this.#book = ledger.open(`${user} (${connection})`, room);
    this.#position = epoch === undefined || offset === undefined ? undefined : { epoch, offset };
  }

  #leave(): void {
    const { ledger } = this.#options;
    if (this.#book === undefined) return;
    if (this.#position !== undefined && !this.#stopped) {
      // Keep the book: if the client recovers, the missed messages follow the response to the join and belong in
      // it.
      ledger.suspend(this.#book);
      return;
    }
    ledger.close(this.#book);
    this.#book = undefined;
  }

  #onFrame(frame: ServerFrame): void {
    const { ledger } = this.#options;
    const book = this.#book;
    if (book === undefined) return;
    if (frame.type === "gap") ledger.gap(book, frame.missed);
    if (frame.type !== "message") return;
    const { epoch, offset, data } = frame;
    if (epoch !== undefined && offset !== undefined) this.#position = { epoch, offset };
    if (isLoad(data)) ledger.receive(book, data.n, data.by);
  }
}

function isLoad(data: unknown): data is { readonly n: number; readonly by: string } {
  return typeof data === "object" && data !== null && "n" in data && "by" in data;
}

async function within<T>(work: Promise<T>): Promise<T> {
  const waiting = new AbortController();
  const tooLate = sleep(ANSWER_TIMEOUT_MS, undefined, { signal: waiting.signal }).then(() => {
    throw new Error("The gateway did not answer in time.");
  });
  try {
    return await Promise.race([work, tooLate]);
  } finally {
    waiting.abort();
    tooLate.catch(() => undefined);
  }
}
