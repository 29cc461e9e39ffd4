import type { Socket } from "node:net";
import type { Flow } from "./fault-mode.js";

/** Options of {@link BytePipe}. */
export interface BytePipeOptions {
  readonly source: Socket;
  readonly sink: Socket;
  readonly flow: Flow;
  /** Called with the number of bytes before each chunk is forwarded. */
  readonly onChunk: (bytes: number) => void;
}

interface Waiting {
  readonly chunk: Buffer;
  /** Time by `performance.now()` at which the chunk may be forwarded. */
  readonly dueAt: number;
}

/** Maximum number of delayed bytes; if there are more, the pipe stops reading from the source. */
const WAITING_MAX_BYTES = 262_144;

/**
 * One direction of a proxied connection: forwards the bytes of one socket to another, in order, as the current
 * {@link FaultMode} allows.
 */
export class BytePipe {
  readonly #options: BytePipeOptions;
  readonly #waiting: Waiting[] = [];
  #flow: Flow;
  #waitingBytes = 0;
  #hasEnded = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: BytePipeOptions) {
    this.#options = options;
    this.#flow = options.flow;
    const { source, sink } = options;
    source.on("data", (chunk) => this.#take(chunk));
    source.on("end", () => {
      this.#hasEnded = true;
      this.#move();
    });
    sink.on("drain", () => this.#move());
    this.#move();
  }

  set flow(flow: Flow) {
    this.#flow = flow;
    this.#move();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
  }

  #take(chunk: Buffer): void {
    this.#waiting.push({ chunk, dueAt: performance.now() + this.#flow.delayMs });
    this.#waitingBytes += chunk.length;
    this.#move();
  }

  #move(): void {
    const { source, sink, onChunk } = this.#options;
    clearTimeout(this.#timer);
    while (!this.#flow.held && sink.writable && !sink.writableNeedDrain) {
      const next = this.#waiting[0];
      if (next === undefined) break;
      const waitMs = next.dueAt - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#move(), Math.ceil(waitMs));
        break;
      }
      this.#waiting.shift();
      this.#waitingBytes -= next.chunk.length;
      onChunk(next.chunk.length);
      sink.write(next.chunk);
    }
    if (this.#flow.held || sink.writableNeedDrain || this.#waitingBytes > WAITING_MAX_BYTES) source.pause();
    else source.resume();
    if (this.#hasEnded && this.#waiting.length === 0 && !this.#flow.held && sink.writable) sink.end();
  }
}
