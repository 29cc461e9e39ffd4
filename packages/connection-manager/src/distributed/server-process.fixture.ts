import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type ManagedProcess, startManagedProcess } from "@cm/test-kit";
import { expect, inject, onTestFinished } from "vitest";
import WebSocket from "ws";

const PROGRAM = fileURLToPath(new URL("./server-program.fixture.mjs", import.meta.url));

/**
 * Heartbeat settings of the servers: a dead server's lease expires after 3 s, and the others check
 * every second.
 */
export const HEARTBEAT_INTERVAL_MS = 1_000;
export const HEARTBEAT_TTL_S = 3;

/** How long a condition may take to become true on a busy machine. */
const WAIT = { timeout: 15_000, interval: 20 } as const;

/** A server in its own process. */
export interface ServerProcess {
  readonly serverId: string;
  readonly port: number;
  readonly process: ManagedProcess;
  /** Connects a client and registers it at this server. */
  connect(user: string): Promise<Client>;
}

/** Starts a server that is stopped at the end of the test. */
export async function startServerProcess(serverId: string, prefix: string): Promise<ServerProcess> {
  let port = 0;
  const process = startManagedProcess({
    command: globalThis.process.execPath,
    args: [PROGRAM],
    env: {
      PATH: globalThis.process.env.PATH ?? "",
      REDIS_URL: inject("redisUrl"),
      REDIS_PREFIX: prefix,
      SERVER_ID: serverId,
      HEARTBEAT_INTERVAL: String(HEARTBEAT_INTERVAL_MS),
      HEARTBEAT_TTL: String(HEARTBEAT_TTL_S),
    },
    onLine: (line) => {
      // The first line of output comes from the program itself.
      port = (JSON.parse(line) as { readonly port: number }).port;
    },
  });
  onTestFinished(async () => void (await process.stop(5_000)));
  await expect.poll(() => port > 0 || !process.running, WAIT).toBe(true);
  if (port === 0) throw new Error(`The server did not start: ${process.output}`);
  return { serverId, port, process, connect: (user) => Client.open(port, user) };
}

/** A message from a server. */
export type Message = Readonly<Record<string, unknown>>;

/** A real WebSocket client. */
export class Client {
  /** The messages that the client received, without answers to calls. */
  readonly messages: Message[] = [];
  connectionId = "";
  readonly #socket: WebSocket;
  readonly #answers = new Map<number, Message>();
  #refs = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data) => this.#take(JSON.parse(String(data)) as Message));
    socket.on("error", () => undefined);
  }

  static async open(port: number, user: string): Promise<Client> {
    const client = new Client(new WebSocket(`ws://127.0.0.1:${port}/?user=${user}`));
    onTestFinished(() => client.#socket.terminate());
    await expect.poll(() => client.connectionId, WAIT).not.toBe("");
    return client;
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** Makes the client's server call a method of the manager. Rejects with the error's code as message. */
  async call(method: string, ...args: readonly unknown[]): Promise<unknown> {
    const ref = ++this.#refs;
    this.#socket.send(JSON.stringify({ ref, call: method, args }));
    await expect.poll(() => this.#answers.has(ref), WAIT).toBe(true);
    const answer = this.#answers.get(ref);
    if (answer?.error !== undefined) throw new Error(String(answer.error));
    return answer?.value;
  }

  /** Closes the connection. */
  async close(): Promise<void> {
    this.#socket.close();
    await once(this.#socket, "close");
  }

  #take(message: Message): void {
    if (typeof message.ref === "number") this.#answers.set(message.ref, message);
    else if (message.type === "registered") this.connectionId = String(message.connectionId);
    else this.messages.push(message);
  }
}
