import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { freePort } from "../redis/launchers/free-port.js";
import { FaultLink } from "./fault-link.js";
import type { Direction, FaultMode } from "./fault-mode.js";

/** What {@link startFaultProxy} takes. */
export interface FaultProxyOptions {
  /** How it begins. Default `pass`. */
  readonly mode?: FaultMode;
  /** Called for each chunk before it goes through. */
  readonly onChunk?: (direction: Direction) => void;
}

/** A port of the loopback address that leads to another one, as well or badly as a test asks for. */
export interface FaultProxy {
  readonly port: number;
  readonly mode: FaultMode;
  /** Open connections. */
  readonly links: readonly FaultLink[];
  /** Connections that were accepted so far. */
  readonly accepted: number;
  /** Bytes that went through so far. */
  readonly bytes: Readonly<Record<Direction, number>>;
  /** Changes what happens to all connections, open ones too; resolves when the mode is in effect. */
  set(mode: FaultMode): Promise<void>;
  /** Ends all connections and frees the port. Idempotent. */
  close(): Promise<void>;
}

/** More than any test opens; beyond it connections are dropped, so that a proxy that hangs stays small. */
const LINKS_MAX = 4_096;

/** Starts a proxy to a port of the loopback address. */
export async function startFaultProxy(targetPort: number, options: FaultProxyOptions = {}): Promise<FaultProxy> {
  for (let attempt = 1; ; attempt++) {
    const proxy = new TcpFaultProxy(await freePort(), targetPort, options);
    try {
      await proxy.set(options.mode ?? { kind: "pass" });
      return proxy;
    } catch (error) {
      // The port was free a moment ago, and is taken now.
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

  /** Closes the listening socket: the system itself refuses. */
  #refuse(): void {
    this.#server?.close();
    this.#server = undefined;
  }

  #accept(client: Socket): void {
    if (this.#mode.kind === "cut") {
      // It was under way when the port was closed.
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
