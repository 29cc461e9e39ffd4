import type { WaitingLimit } from "./live-connection.js";
import { Traffic } from "./traffic.js";

/** The limit on what may wait on one connection, how often it was exceeded, and what was sent and received. */
export class SlowConsumers implements WaitingLimit {
  readonly maxBytes: number;
  /** Connections cut as slow consumers. */
  closed = 0;
  /** Bytes that had waited on them. */
  discardedBytes = 0;

  readonly traffic = new Traffic();

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  exceeded(bytes: number): void {
    this.closed += 1;
    this.discardedBytes += bytes;
  }

  sent(bytes: number): void {
    this.traffic.sent(bytes, 1);
  }
}
