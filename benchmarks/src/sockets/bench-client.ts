import { RawSocket } from "@cm/load";
import { CmError } from "@cm/protocol";
import type { RoomProtocol } from "../protocols/room-protocol.js";
import { RoomSession } from "../protocols/room-session.js";

/** One connection to a contender, for scenarios that measure connections and joins instead of messages. */
export class BenchClient {
  readonly #session: RoomSession;
  readonly #socket: RawSocket;
  readonly #closed: Promise<void>;
  #onFailed: (error: CmError) => void = () => undefined;

  private constructor(protocol: RoomProtocol, url: URL, user: string, onReady: () => void) {
    let onClosed = (): void => undefined;
    this.#closed = new Promise((resolve) => {
      onClosed = resolve;
    });
    this.#session = new RoomSession(protocol, {
      send: (text) => this.#socket.send(text),
      ready: onReady,
      failed: (code) => this.#fail(code),
    });
    const path = protocol.path(url, user);
    this.#socket = new RawSocket(
      { url, path, subprotocol: protocol.subprotocol },
      {
        onOpen: () => this.#session.opened(),
        onMessage: (bytes, start, end) => this.#session.control(bytes.toString("utf8", start, end)),
        onClosed: (code) => {
          this.#fail(code);
          onClosed();
        },
      },
    );
  }

  /** Resolves when the connection may send requests. Rejects with `unavailable` if it fails before. */
  static open(protocol: RoomProtocol, url: string, user: string): Promise<BenchClient> {
    return new Promise((resolve, reject) => {
      const client: BenchClient = new BenchClient(protocol, new URL(url), user, () => resolve(client));
      client.#onFailed = reject;
    });
  }

  /** Resolves when the server has answered. Rejects with `unavailable` if the connection ends before. */
  join(room: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#onFailed = reject;
      this.#session.join(room, resolve);
    });
  }

  /** Stops reading. */
  pause(): void {
    this.#socket.pause();
  }

  /** Ends the connection at once, without a close frame. Resolves when it has ended. */
  cut(): Promise<void> {
    this.#socket.destroy();
    return this.#closed;
  }

  #fail(code: string): void {
    this.#onFailed(new CmError("unavailable", `The connection failed with ${code}.`));
  }
}
