/**
 * Counters of frames between the clients and this server, with their payloads in bytes, without WebSocket and
 * TCP headers.
 */
export interface TrafficCounts {
  /** Frames received from clients. */
  readonly framesReceived: number;
  /** Payload bytes of `framesReceived`. */
  readonly bytesReceived: number;
  /**
   * Frames sent to clients. A frame to a room counts once for each member. Frames that a slow consumer never
   * received count too.
   */
  readonly framesSent: number;
  /** Payload bytes of `framesSent`. */
  readonly bytesSent: number;
  /**
   * Writes to sockets. Frames of a room that were held back together count once for each member. All frames that
   * were sent to a connection alone within one turn of the event loop count once. `framesSent / writes` is the
   * number of frames per write. There may be fewer system calls than writes, if a socket gets both kinds of
   * frames in one turn.
   */
  readonly writes: number;
}

/** Counts frames and bytes in both directions. */
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

  /** Counts writes to `times` sockets. */
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
