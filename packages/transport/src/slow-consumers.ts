import type { WaitingLimit } from "./live-connection.js";

/** The limit on what may wait on one connection, and how often it was exceeded. */
export class SlowConsumers implements WaitingLimit {
  readonly maxBytes: number;
  /** Connections cut as slow consumers. */
  closed = 0;
  /** Bytes that had waited on them. */
  discardedBytes = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  exceeded(bytes: number): void {
    this.closed += 1;
    this.discardedBytes += bytes;
  }
}
