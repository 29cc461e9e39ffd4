import { connect, type Socket } from "node:net";
import { BytePipe } from "./byte-pipe.js";
import { type Direction, type FaultMode, flowOf } from "./fault-mode.js";

/** Options of {@link FaultLink}. */
export interface FaultLinkOptions {
  /** The client's socket, accepted but not read yet. */
  readonly client: Socket;
  readonly targetPort: number;
  readonly mode: FaultMode;
  readonly onChunk: (direction: Direction, bytes: number) => void;
  readonly onClosed: () => void;
}

/** One connection through a proxy. */
export class FaultLink {
  readonly #options: FaultLinkOptions;
  #mode: FaultMode;
  #server: Socket | undefined;
  #pipes: ReadonlyMap<Direction, BytePipe> = new Map();
  #isClosed = false;

  constructor(options: FaultLinkOptions) {
    this.#options = options;
    this.#mode = options.mode;
    this.#listen(options.client);
    this.set(options.mode);
  }

  /**
   * The port from which this connection reaches the server; `undefined` before the proxy has connected to the
   * server.
   */
  get serverSeesPort(): number | undefined {
    return this.#server?.localPort;
  }

  /**
   * Sets the mode of this connection only, until the mode of the whole proxy is set again. `cut` closes the
   * connection for good.
   */
  set(mode: FaultMode): void {
    if (this.#isClosed) return;
    this.#mode = mode;
    if (mode.kind === "cut") {
      this.reset();
      return;
    }
    // Connect to the server only if bytes can pass in at least one direction; otherwise the server must not
    // notice the new connection.
    const isSevered = flowOf(mode, "to-server").held && flowOf(mode, "to-client").held;
    if (this.#server === undefined && !isSevered) this.#connect();
    for (const [direction, pipe] of this.#pipes) pipe.flow = flowOf(mode, direction);
  }

  /** Resets both sides of the connection. */
  reset(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const pipe of this.#pipes.values()) pipe.close();
    this.#options.client.resetAndDestroy();
    this.#server?.resetAndDestroy();
    this.#options.onClosed();
  }

  #connect(): void {
    const { client, targetPort, onChunk } = this.#options;
    const server = connect({ port: targetPort, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
    this.#server = server;
    this.#listen(server);
    const pipe = (direction: Direction, source: Socket, sink: Socket): [Direction, BytePipe] => [
      direction,
      new BytePipe({
        source,
        sink,
        flow: flowOf(this.#mode, direction),
        onChunk: (bytes) => onChunk(direction, bytes),
      }),
    ];
    this.#pipes = new Map([pipe("to-server", client, server), pipe("to-client", server, client)]);
  }

  #listen(socket: Socket): void {
    socket.on("error", () => this.reset());
    socket.on("close", () => {
      const other = socket === this.#server ? this.#options.client : this.#server;
      // Reset both sides, unless this side ended in an orderly way: the pipes forward such an end, and the link
      // is closed once both sides are closed.
      if (other === undefined || other.destroyed || !socket.readableEnded) this.reset();
    });
  }
}
