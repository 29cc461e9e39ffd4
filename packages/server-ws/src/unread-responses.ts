import type { IncomingMessage, ServerResponse } from "node:http";

/**
 * Maximum number of requests of one connection whose responses have not been written completely. Browsers and proxies
 * send one request at a time.
 */
const UNREAD_MAX = 100;

/**
 * Limits the responses that are kept for one connection. Node.js stops reading from a client that does not read, but
 * it handles all requests that it has read before: one read of 64 KiB may contain 2,000 of them.
 */
export class UnreadResponses {
  readonly #counts = new WeakMap<object, number>();

  /**
   * Counts a request until its response was written. Cuts the connection and returns `false` if the connection
   * has more than `UNREAD_MAX` such requests.
   */
  admit({ socket }: IncomingMessage, response: ServerResponse): boolean {
    const count = (this.#counts.get(socket) ?? 0) + 1;
    if (count > UNREAD_MAX) {
      socket.destroy();
      return false;
    }
    this.#counts.set(socket, count);
    response.once("close", () => this.#counts.set(socket, (this.#counts.get(socket) ?? 1) - 1));
    return true;
  }
}
