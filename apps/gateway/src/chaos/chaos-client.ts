import { setTimeout as sleep } from "node:timers/promises";
import type { ServerFrame } from "@cm/protocol";
import { CmSocket } from "../testing/cm-socket.js";
import type { CrowdMember } from "../testing/crowd-member.js";
import type { ChaosLedger, ReceiptBook } from "./chaos-ledger.js";

/** What a client needs to find its way back. */
export interface ChaosClientOptions {
  readonly user: string;
  readonly room: string;
  readonly ledger: ChaosLedger;
  /** A gateway to try next, as a load balancer would choose it. */
  readonly nextGateway: () => { readonly index: number; readonly wsUrl: string };
}

/** A frame that takes longer than this to be answered counts as unanswered. */
const ANSWER_TIMEOUT_MS = 10_000;

/** A client that wants to be in its room, and comes back whenever it is thrown out. */
export class ChaosClient {
  readonly #options: ChaosClientOptions;
  readonly #running: Promise<void>;
  #member: CrowdMember | undefined;
  #book: ReceiptBook | undefined;
  #stopped = false;
  #reconnects = 0;

  constructor(options: ChaosClientOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** As the invariants see it; `undefined` while it is not in its room. */
  get member(): CrowdMember | undefined {
    return this.#member?.socket.isOpen ? this.#member : undefined;
  }

  get reconnects(): number {
    return this.#reconnects;
  }

  /** Publishes once; the answer's type or code, `unanswered` where there was none. */
  async publish(): Promise<string> {
    const { ledger, room, user } = this.#options;
    const socket = this.member?.socket;
    if (socket === undefined) return "not-connected";
    const n = ledger.publish(room);
    const answer = await socket.ask({ type: "publish", room, data: { n, by: user } }).catch(() => undefined);
    if (answer?.type === "ack") ledger.acknowledge(n);
    return answer === undefined ? "unanswered" : answer.type === "error" ? answer.code : answer.type;
  }

  /** Cuts the connection without a word. */
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
      if (this.#book !== undefined) this.#options.ledger.close(this.#book);
      this.#book = undefined;
      this.#reconnects++;
      if (!this.#stopped) await sleep(200);
    }
  }

  /** One connection, from its beginning to its end. */
  async #live(): Promise<void> {
    const { user, room, ledger, nextGateway } = this.#options;
    const { index, wsUrl } = nextGateway();
    const socket = await within(CmSocket.open(wsUrl, user, (frame) => this.#onFrame(frame)));
    try {
      await within(socket.do({ type: "join", room }));
      this.#book = ledger.open(`${user} (${socket.id})`, room);
      this.#member = { socket, user, gateway: index, room };
      await socket.closed;
    } finally {
      socket.terminate();
    }
  }

  #onFrame(frame: ServerFrame): void {
    const { ledger } = this.#options;
    const book = this.#book;
    if (book === undefined) return;
    if (frame.type === "gap") ledger.gap(book);
    if (frame.type === "message" && isLoad(frame.data)) ledger.receive(book, frame.data.n, frame.data.by);
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
