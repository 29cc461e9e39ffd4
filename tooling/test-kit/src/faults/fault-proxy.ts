import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { freePort } from "../redis/launchers/free-port.js";
import { FaultLink } from "./fault-link.js";
import type { Direction, FaultMode } from "./fault-mode.js";

/** Options of {@link startFaultProxy}. */
export interface FaultProxyOptions {
  /** The initial mode. Default `pass`. */
  readonly mode?: FaultMode;
  /** Called before each chunk is forwarded. */
  readonly onChunk?: (direction: Direction) => void;
}

/** A loopback port that forwards connections to another port, with the faults that a test sets. */
export interface FaultProxy {
  readonly port: number;
  readonly mode: FaultMode;
  /** The open connections. */
  readonly links: readonly FaultLink[];
  /** Number of connections accepted so far. */
  readonly accepted: number;
  /** Number of bytes forwarded so far, by direction. */
  readonly bytes: Readonly<Record<Direction, number>>;
  /** Sets the mode of all connections, including open ones. Resolves when the mode is in effect. */
  set(mode: FaultMode): Promise<void>;
  /** Closes all connections and frees the port. Idempotent. */
  close(): Promise<void>;
}

/**
 * Maximum number of connections, which is more than any test opens. Further connections are dropped, so that a
 * proxy that hangs uses little memory.
 */
const LINKS_MAX = 4_096;

/** Starts a proxy to a loopback port. */
export async function startFaultProxy(targetPort: number, options: FaultProxyOptions = {}): Promise<FaultProxy> {
  for (let attempt = 1; ; attempt++) {
    const proxy = new TcpFaultProxy(await freePort(), targetPort, options);
    try {
      await proxy.set(options.mode ?? { kind: "pass" });
      return proxy;
    } catch (error) {
      // Try another port: this one was free a moment ago, but has been taken since.
      if (attempt === 3) throw error;
    }
  }
}

class TcpFaultProxy implements FaultProxy {
  readonly port: number;
  readonly bytes = { "to-server": 0, "to-client": 0 };
  readonly #targetPort: number;
  readonly #options: FaultProxyOptions;
  readonly #links = new Set<FaultLink>();
  #mode: FaultMode = { kind: "cut" };
  #server: Server | undefined;
  #accepted = 0;

  constructor(port: number, targetPort: number, options: FaultProxyOptions) {
    this.port = port;
    this.#targetPort = targetPort;
    this.#options = options;
  }

  get mode(): FaultMode {
    return this.#mode;
  }

  get links(): readonly FaultLink[] {
    return [...this.#links];
  }

  get accepted(): number {
    return this.#accepted;
  }

  async set(mode: FaultMode): Promise<void> {
    this.#mode = mode;
    if (mode.kind === "cut") this.#refuse();
    for (const link of this.#links) link.set(mode);
    if (mode.kind !== "cut" && this.#server === undefined) await this.#listen();
  }

  async close(): Promise<void> {
    await this.set({ kind: "cut" });
  }

  async #listen(): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
    this.#server = server;
    server.maxConnections = LINKS_MAX;
    server.listen(this.port, "127.0.0.1");
    await once(server, "listening");
  }

  /** Closes the listening socket, so that the operating system refuses connections. */
  #refuse(): void {
    this.#server?.close();
    this.#server = undefined;
  }

  #accept(client: Socket): void {
    if (this.#mode.kind === "cut") {
      // Reset a connection that was being established when the listening socket was closed.
      client.resetAndDestroy();
      return;
    }
    this.#accepted++;
    const link = new FaultLink({
      client,
      targetPort: this.#targetPort,
      mode: this.#mode,
      onChunk: (direction, bytes) => {
        this.bytes[direction] += bytes;
        this.#options.onChunk?.(direction);
      },
      onClosed: () => this.#links.delete(link),
    });
    this.#links.add(link);
  }
}
