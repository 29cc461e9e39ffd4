/*
 * A bus of your own: a hub on TCP, and clients that keep the promises of the contract `Bus`. Each line is a JSON
 * array. The hub sends each message to all subscribers of its channel, including the publisher, in the order in
 * which it received the messages.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { type Bus, type BusHandler, type Channel, CmError, type Subscription } from "@cm/protocol";

type Line =
  | ["publish", string, string]
  | ["subscribe" | "unsubscribe", string]
  | ["done"]
  | ["message", string, string];

/** Calls `take` for each line. Closes the connection if a line is not JSON or `take` throws. */
function onLine(socket: Socket, take: (line: Line) => void): void {
  createInterface({ input: socket }).on("line", (text) => {
    try {
      take(JSON.parse(text) as Line); // The cast is safe: both ends are this file.
    } catch {
      socket.destroy();
    }
  });
}

const write = (socket: Socket, line: Line): boolean => socket.write(`${JSON.stringify(line)}\n`);

/** Starts the hub on a free port of the loopback address. */
export async function startHub(): Promise<{ readonly port: number; readonly server: Server }> {
  const channels = new Map<string, Set<Socket>>();
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      for (const subscribers of channels.values()) subscribers.delete(socket);
    });
    onLine(socket, (line) => {
      const [kind, channel = ""] = line;
      const subscribers = channels.get(channel) ?? new Set();
      if (kind === "subscribe") channels.set(channel, subscribers.add(socket));
      if (kind === "unsubscribe") subscribers.delete(socket);
      if (subscribers.size === 0) channels.delete(channel);
      if (kind === "publish") for (const each of subscribers) write(each, ["message", channel, line[2]]);
      // Answers have the order of the requests, so each is for the oldest request that waits.
      write(socket, ["done"]);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, server }; // An object, because the server listens on TCP.
}

// #region bus
/** A client of the hub. */
export class TcpBus implements Bus {
  readonly #socket: Socket;
  readonly #handlers = new Map<string, BusHandler>();
  readonly #waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new CmError("unavailable", "The hub is gone."));
    });
    onLine(socket, (line) => {
      if (line[0] === "message") this.#handlers.get(line[1])?.(Buffer.from(line[2], "base64"));
      else this.#waiting.shift()?.resolve();
    });
  }

  static async connect(port: number): Promise<TcpBus> {
    const socket = connect({ port, host: "127.0.0.1" });
    await once(socket, "connect");
    return new TcpBus(socket);
  }

  async publish(channel: Channel, message: Uint8Array): Promise<Record<never, never>> {
    await this.#request(["publish", keyOf(channel), Buffer.from(message).toString("base64")]);
    return {};
  }

  async subscribe(channel: Channel, handler: BusHandler): Promise<Subscription> {
    const key = keyOf(channel);
    if (this.#handlers.has(key)) throw new CmError("options-invalid", "The channel has a subscription already.");
    this.#handlers.set(key, handler);
    try {
      await this.#request(["subscribe", key]);
    } catch (error) {
      this.#handlers.delete(key);
      throw error;
    }
    let isOpen = true;
    return {
      close: async () => {
        // A second call does nothing, because the channel may have another subscription by now.
        if (!isOpen) return;
        isOpen = false;
        this.#handlers.delete(key);
        await this.#request(["unsubscribe", key]);
      },
    };
  }

  close(): void {
    this.#socket.destroy();
  }

  #request(line: Line): Promise<void> {
    if (this.#socket.destroyed) return Promise.reject(new CmError("unavailable", "The hub is gone."));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      write(this.#socket, line);
    });
  }
}
// #endregion

function keyOf({ kind, name }: Channel): string {
  return `${kind}:${name}`;
}
