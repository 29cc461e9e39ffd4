import { monitorEventLoopDelay } from "node:perf_hooks";
import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";

/** The latencies and refusals of uninvolved clients. */
export interface BystanderFigures {
  readonly pings: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Longest latency of any request: pings, publishes, joins and leaves. */
  readonly longestWaitMs: number;
  /** Type of the request that waited longest. */
  readonly longestWaitOf: string;
  /** Longest event-loop delay of the measuring process. Measured ping latencies include it. */
  readonly ownDelayMs: number;
  /** Requests that were refused or got no response, by code. */
  readonly refusals: Readonly<Record<string, number>>;
}

/** Number of clients, and the time between two requests of each, in milliseconds. */
const CLIENTS = 5;
const EVERY_MS = 20;

/** Time after which a request without a response counts as lost, in milliseconds. */
const ANSWER_TIMEOUT_MS = 10_000;

/**
 * Clients that are not involved in an attack: each pings, publishes to its own room, and joins and leaves another
 * room of its own.
 */
export class Bystanders {
  readonly #sockets: CmSocket[];
  readonly #latencies: number[] = [];
  #longestWait = { ms: 0, of: "none" };
  readonly #refusals: Record<string, number> = {};
  readonly #waiting = new Set<Promise<void>>();
  readonly #ownDelay = monitorEventLoopDelay({ resolution: 5 });
  #timer: NodeJS.Timeout | undefined;

  private constructor(sockets: CmSocket[]) {
    this.#sockets = sockets;
  }

  static async open(wsUrl: string): Promise<Bystanders> {
    const sockets: CmSocket[] = [];
    for (let index = 0; index < CLIENTS; index++) {
      const socket = await CmSocket.open(wsUrl, `bystander-${index}`, () => undefined);
      await socket.do({ type: "join", room: `quiet-${index}` });
      sockets.push(socket);
    }
    return new Bystanders(sockets);
  }

  /** Starts measuring. Without `areVisiting` the clients stay in their own rooms. */
  start({ areVisiting = true } = {}): void {
    this.#ownDelay.enable();
    let turn = 0;
    this.#timer = setInterval(() => {
      turn++;
      for (const [index, socket] of this.#sockets.entries()) {
        this.#ask(socket, { type: "ping" });
        if (turn % 10 === index) this.#ask(socket, { type: "publish", room: `quiet-${index}`, data: turn });
        if (areVisiting && turn % 10 === index + CLIENTS) {
          const type = Math.floor(turn / 10) % 2 === 0 ? "join" : "leave";
          this.#ask(socket, { type, room: `visited-${index}` });
        }
      }
    }, EVERY_MS);
  }

  /** Stops measuring and waits for outstanding responses. */
  async stop(): Promise<BystanderFigures> {
    clearInterval(this.#timer);
    await Promise.all(this.#waiting);
    this.#ownDelay.disable();
    const sorted = this.#latencies.sort((a, b) => a - b);
    const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    for (const socket of this.#sockets) socket.terminate();
    return {
      pings: sorted.length,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      maxMs: sorted.at(-1) ?? 0,
      longestWaitMs: this.#longestWait.ms,
      longestWaitOf: this.#longestWait.of,
      ownDelayMs: this.#ownDelay.max / 1e6,
      refusals: { ...this.#refusals },
    };
  }

  #ask(socket: CmSocket, request: Parameters<CmSocket["ask"]>[0]): void {
    const askedAt = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("no-answer")), ANSWER_TIMEOUT_MS);
    });
    const asked: Promise<void> = Promise.race([socket.ask(request), late])
      .then(
        (answer) => (answer.type === "error" ? this.#refused(answer.code) : undefined),
        () => this.#refused("no-answer"),
      )
      .finally(() => {
        clearTimeout(timer);
        const waitedMs = performance.now() - askedAt;
        if (request.type === "ping") this.#latencies.push(waitedMs);
        if (waitedMs > this.#longestWait.ms) this.#longestWait = { ms: waitedMs, of: request.type };
        this.#waiting.delete(asked);
      });
    this.#waiting.add(asked);
  }

  #refused(code: string): void {
    this.#refusals[code] = (this.#refusals[code] ?? 0) + 1;
  }
}
