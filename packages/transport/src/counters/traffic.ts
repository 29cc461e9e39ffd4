/** Frames between the clients and this server, and their payloads in bytes; WebSocket and TCP headers are not counted. */
export interface TrafficCounts {
  /** Frames that came from clients. */
  readonly framesReceived: number;
  /** Bytes of their payloads. */
  readonly bytesReceived: number;
  /** A frame to a room counts once for each member. Frames that were cut off with a slow consumer count too. */
  readonly framesSent: number;
  /** Bytes of the payloads of `framesSent`. */
  readonly bytesSent: number;
  /**
   * How often sockets were written to: frames of a room that waited for each other count once for each
   * member, and what a connection alone is sent within one turn of the event loop once. `framesSent / writes` are the
   * frames of a write. The operating system may be called less often, where a socket gets of both in one turn.
   */
  readonly writes: number;
}

/** Counts what comes and goes. */
export class Traffic {
  #framesReceived = 0;
  #bytesReceived = 0;
  #framesSent = 0;
  #bytesSent = 0;
  #writes = 0;

  received(bytes: number): void {
    this.#framesReceived += 1;
    this.#bytesReceived += bytes;
  }

  sent(bytes: number, times: number): void {
    this.#framesSent += times;
    this.#bytesSent += bytes * times;
  }

  /** `times` sockets were written to. */
  wrote(times: number): void {
    this.#writes += times;
  }

  counts(): TrafficCounts {
    return {
      framesReceived: this.#framesReceived,
      bytesReceived: this.#bytesReceived,
      framesSent: this.#framesSent,
      bytesSent: this.#bytesSent,
      writes: this.#writes,
    };
  }
}
